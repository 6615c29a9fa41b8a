"""What all elementwise ops share: type rules, samples, and the short way to write one.

Operands have equal shape and dtype: broadcasting and promotion were made explicit before.
Example: `exp = elementwise("exp", "exp(x)", "out", kinds=FLOATS)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.expression import (
    VARIABLES,
    Expression,
    arrays,
    rule_of,
    tiles,
    variables,
    wide,
)
from chainrule.ops.record import (
    OPS,
    OUT,
    Array,
    Builder,
    Cost,
    Formula,
    Illegal,
    Made,
    Map,
    Op,
    Sample,
)

ELEMENTWISE = frozenset({"elementwise"})
Vjp = Callable[[Builder, Node, Node], tuple[Node | None, ...]]
Infer = Callable[[tuple[Type, ...], Attrs], Type]

# Kinds of element type that an op accepts
FLOATS = frozenset({"float"})
NUMBERS = frozenset({"int", "float"})
EVERYTHING = frozenset({"bool", "int", "float"})
BOOLS = frozenset({"bool"})
INTEGERS = frozenset({"int"})
_OF_KIND = {"bool": dtypes.bool_, "int": dtypes.int64, "float": dtypes.float32}
_ADVICE = {
    FLOATS: "floating-point input, not {}; use x.float()",
    NUMBERS: "numbers, not {}; use x.long() or x.float()",
    BOOLS: "bool input, not {}; use x != 0",
    INTEGERS: "integers, not {}; use x.long()",
}


def same_types(ins: tuple[Type, ...]) -> Type:
    """The one type that all operands have; raises where they differ."""
    first = ins[0]
    for other in ins[1:]:
        if other.shape != first.shape:
            raise ShapeError(f"operands have different shapes {first.shape} and {other.shape}")
        if other.dtype is not first.dtype:
            raise DTypeError(f"operands have different dtypes {first.dtype} and {other.dtype}")
    return first


def need_kind(name: str, dtype: dtypes.DType, kinds: frozenset[str]) -> None:
    """Raise `DTypeError`, saying what to do, unless `dtype` is of one of `kinds`."""
    if dtype.kind not in kinds:
        raise DTypeError(f"{name} needs {_ADVICE[kinds].format(dtype)}")


def _infer(name: str, kinds: frozenset[str], result: dtypes.DType | None) -> Infer:
    """One type in, of one of `kinds`; the same type out, or `result` with the same shape."""

    def infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
        out = same_types(ins)
        need_kind(name, out.dtype, kinds)
        return out if result is None else Type(result, out.shape)

    return infer


NASTY = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-30, -1e30)
_SHAPES = ((3, 4), (), (1,), (0, 3), (2, 1, 17))


def edges(dtype: np.dtype[Any], nasty: Sequence[float]) -> Sequence[float]:
    """The values of a dtype at which things go wrong; for floats those given."""
    if dtype.kind == "f":
        return nasty
    if dtype.kind == "b":
        return (False, True)
    info = np.iinfo(dtype)
    return sorted({int(info.min), int(info.max), max(int(info.min), -1), 0, 1, 2})


def _samples(
    arity: int, low: float, high: float, nasty: Sequence[float]
) -> Callable[[np.random.Generator, np.dtype[Any]], Iterable[Sample]]:
    """Random values in [low, high] in several shapes, then the nasty ones in all pairings."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
        def draw(shape: tuple[int, ...]) -> Array:
            if dtype.kind == "f":
                return np.asarray(rng.uniform(low, high, shape), dtype)
            if dtype.kind == "b":
                return np.asarray(rng.random(shape) < 0.5)
            floor = max(low, 0) if dtype.kind == "u" else low
            return np.asarray(rng.integers(int(floor), int(high) + 1, shape), dtype)

        for shape in _SHAPES:
            yield Sample(tuple(draw(shape) for _ in range(arity)), {})
        yield Sample(tuple(draw((6, 8))[::2, ::-1].T for _ in range(arity)), {})  # not contiguous
        values = np.array(edges(dtype, nasty), dtype)
        grid = np.array(np.meshgrid(*[values] * arity)).reshape(arity, -1)
        yield Sample(tuple(grid), {}, smooth=False)

    return samples


def _refused(arity: int, kinds: frozenset[str]) -> Iterable[Illegal]:
    for kind in sorted(EVERYTHING - kinds):
        yield Illegal((Type(_OF_KIND[kind], (2, 3)),) * arity, {}, DTypeError)
    if arity > 1:
        rest = (Type(_OF_KIND[min(kinds)], (2, 3)),) * (arity - 1)
        yield Illegal((*rest, Type(_OF_KIND[min(kinds)], (3, 2))), {}, ShapeError)
        if len(kinds) > 1:
            yield Illegal((*rest, Type(_OF_KIND[max(kinds)], (2, 3))), {}, DTypeError)


class Rule:
    """The rule of an op by the texts of its derivatives: upstream × local, as graph nodes.

    It is compiled when it is first asked for: a text may name an op of a family that comes later.
    """

    __slots__ = ("_compiled", "_slopes")

    def __init__(self, slopes: Sequence[str | None]) -> None:
        """One text for each operand; None where nothing is sent back."""
        self._slopes = slopes
        self._compiled: Vjp | None = None

    def __call__(self, b: Builder, node: Node, ct: Node) -> tuple[Node | None, ...]:
        """As any `Op.vjp`."""
        if self._compiled is None:
            self._compiled = rule_of(self._slopes, OPS)
        return self._compiled(b, node, ct)


def elementwise(
    name: str,
    value: str,
    *slopes: str | None,
    computed: Expression | None = None,
    numpy: Callable[..., Any] | None = None,
    kernel: Expression | None = None,
    vjp: Vjp | tuple[str | None, ...] | None = None,
    saves: tuple[int, ...] | None = None,
    kinds: frozenset[str] = NUMBERS,
    result: dtypes.DType | None = None,
    decisions: Callable[[Sequence[Any], Attrs], Any] | None = None,
    domain: tuple[float, float] = (-3.0, 3.0),
    nasty: Sequence[float] = NASTY,
    traits: frozenset[str] = frozenset(),
    cost: Cost = "dear",
) -> Op:
    """An elementwise `Op` by its `value` and its local derivatives, texts of `ops.expression`.

    These are shown, executed as NumPy functions and kernels, and differentiated. What is better
    computed in another way than it is shown is given by name: `computed` is the value as a text,
    or as a function of `Number`s in float64; `numpy` its meaning, `kernel` its tiles alone;
    `vjp` the derivatives as texts, or the rule itself with what it `saves`. A law checks that all
    of them agree. Without derivatives nothing is sent back.

    Operands of other `kinds` are refused; `result` is the result's dtype where it is not theirs.
    """
    arity = len(variables(value))
    shown = slopes or (None,) * arity
    rule = vjp or shown
    if saves is None:
        read = variables(*rule) if isinstance(rule, tuple) else set[str]()
        saves = tuple([OUT if v == "out" else i for i, v in enumerate(VARIABLES) if v in read])
    if callable(computed):
        numpy, emit = wide(computed)
    else:
        emit = tiles(kernel or computed or value)
    text = computed if isinstance(computed, str) else value
    return Op(
        name,
        _infer(name, kinds, result),
        Made(lambda attrs: numpy or arrays(text)),  # noqa: ARG005 - the signature
        vjp=Rule(rule) if isinstance(rule, tuple) else rule,
        saves=saves,
        lower=Map(emit),
        formula=Formula(value, shown) if slopes or vjp is None else None,
        decisions=decisions,
        traits=ELEMENTWISE | traits,
        cost=cost,
        samples=_samples(arity, *domain, nasty),
        illegal=tuple(_refused(arity, kinds)),
    )
