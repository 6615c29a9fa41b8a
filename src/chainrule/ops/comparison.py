"""Comparison, logic and choice. Results of comparisons are bool and carry no gradient.

Example: `where(c, x, y)`: the gradient flows to x where c holds, to y elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import BOOLS, ELEMENTWISE, EVERYTHING, elementwise
from chainrule.ops.record import Builder, Formula, Illegal, Map, Op, Sample, of_values


def no_gradient(b: Builder, node: Node, ct: Node) -> tuple[None, ...]:  # noqa: ARG001
    """The rule of what is a step or no number at all."""
    return tuple(None for _ in node.inputs)


def _comparison(name: str, text: str) -> Op:
    return elementwise(name, text, kinds=EVERYTHING, result=dtypes.bool_, cost="cheap")


eq = _comparison("eq", "x == y")
ne = _comparison("ne", "x != y")
lt = _comparison("lt", "x < y")
le = _comparison("le", "x <= y")
gt = _comparison("gt", "x > y")
ge = _comparison("ge", "x >= y")

logical_and = elementwise("logical_and", "logical_and(x, y)", kinds=BOOLS, cost="cheap")
logical_or = elementwise("logical_or", "logical_or(x, y)", kinds=BOOLS, cost="cheap")
logical_xor = elementwise("logical_xor", "logical_xor(x, y)", kinds=BOOLS)
logical_not = elementwise("logical_not", "logical_not(x)", kinds=BOOLS, cost="cheap")


def _where_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    choice, x, y = ins
    if choice.dtype is not dtypes.bool_:
        raise DTypeError(f"where needs a bool condition, not {choice.dtype}")
    if not choice.shape == x.shape == y.shape:
        raise ShapeError(f"where needs equal shapes, not {choice.shape}, {x.shape} and {y.shape}")
    if x.dtype is not y.dtype:
        raise DTypeError(f"where needs equal dtypes, not {x.dtype} and {y.dtype}")
    return x


def _where_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node | None, ...]:
    choice = node.inputs[0]
    zero = filled(b, 0, ct)
    return None, b(where, choice, ct, zero), b(where, choice, zero, ct)


def _where_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    zero = filled(b, 0, node)
    return b(where, node.inputs[0], tangents[1] or zero, tangents[2] or zero)


def _where_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape in ((3, 4), (), (1,), (0, 2), (2, 33)):
        x, y = (np.asarray(rng.integers(0, 2, shape), dtype) for _ in "xy")
        yield Sample((np.asarray(rng.random(shape) < 0.5), x, y), {})
    x, y = (np.asarray(rng.integers(0, 2, (6, 8)), dtype)[::2, ::-1].T for _ in "xy")
    yield Sample((x == y, x, y), {})  # not contiguous
    if dtype.kind == "f":  # what is not chosen does not matter
        x = np.array([np.nan, 1, np.inf, 0], dtype)
        choice = np.array([False, True, False, True])
        yield Sample((choice, x, x[::-1]), {}, smooth=False)


where = Op(
    "where",
    _where_infer,
    of_values(np.where),
    vjp=_where_vjp,
    jvp=_where_jvp,
    saves=(0,),
    lower=Map(lambda k, node, c, x, y: k("select", c, x, y)),  # noqa: ARG005 - the signature
    formula=Formula("where(x, y, z)", (None, "x", "~x")),
    decisions=lambda ins, attrs: ins[0],  # noqa: ARG005 - the signature
    traits=ELEMENTWISE,
    cost="cheap",
    samples=_where_samples,
    illegal=(
        Illegal((Type(dtypes.float32, (2,)),) * 3, {}, DTypeError),
        Illegal(
            (
                Type(dtypes.bool_, (2,)),
                Type(dtypes.float32, (2,)),
                Type(dtypes.float32, (3,)),
            ),
            {},
            ShapeError,
        ),
    ),
)

TABLE = (eq, ne, lt, le, gt, ge, logical_and, logical_or, logical_xor, logical_not, where)
