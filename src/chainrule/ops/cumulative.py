"""Running totals along an axis: sum, product, maximum, log-sum-exp.

Evaluated they are one pass. Compiled they decompose into a parallel prefix: within blocks of 16 by
doubling shifts, then over the blocks' totals, which is the same problem 16 times smaller; the work
stays linear, and what comes later in a row never touches what comes before it. All derivatives but
that of the sum are those of the decomposition, exact where a product meets zeros.
Example: `cumsum(x, axis=0)`. Source of the method: Hillis and Steele, CACM 29 (1986) 1170.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import abs_, add, maximum, mul, neg, sub
from chainrule.ops.comparison import le, where
from chainrule.ops.creation import detach, filled, full
from chainrule.ops.exponential import logaddexp
from chainrule.ops.layout import concat, reshape, slice_
from chainrule.ops.normalize import along as along_axis
from chainrule.ops.normalize import finite_max, shifted
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample, leading
from chainrule.ops.reduce import broadcast_to

_BLOCK = 16
_Values = Callable[[Array, int], Array]  # along an axis
_Nodes = Callable[[Builder, Node, int], Node]
_f32 = dtypes.float32


def along(b: Builder, x: Node, axis: int, start: int, size: int, step: int = 1) -> Node:
    """`size` elements along `axis` from `start` by `step`, all of the other axes."""
    rank = len(x.shape)
    return b(
        slice_,
        x,
        start=tuple(start if i == axis else 0 for i in range(rank)),
        step=tuple(step if i == axis else 1 for i in range(rank)),
        shape=tuple(size if i == axis else n for i, n in enumerate(x.shape)),
    )


def turned(b: Builder, x: Node, axis: int) -> Node:
    """The elements along `axis` in reverse order."""
    size = x.shape[axis]
    return along(b, x, axis, size - 1, size, -1) if size else x


def _padding(b: Builder, x: Node, axis: int, size: int, value: float) -> Node:
    shape = tuple(size if i == axis else n for i, n in enumerate(x.shape))
    return b(full, value=value, dtype=x.dtype, shape=shape)


def _shifted(b: Builder, x: Node, axis: int, by: int, neutral: float) -> Node:
    """The elements moved by `by` positions; the neutral element in front."""
    rest = along(b, x, axis, 0, x.shape[axis] - by)
    return b(concat, _padding(b, x, axis, by, neutral), rest, axis=axis)


def prefix(b: Builder, x: Node, axis: int, combine: Op, neutral: float) -> Node:
    """out[i] = x[0] ∘ … ∘ x[i] along `axis` for an associative ∘ with a neutral element."""
    size = x.shape[axis]
    if size <= _BLOCK:
        by = 1
        while by < size:
            x = b(combine, _shifted(b, x, axis, by, neutral), x)
            by *= 2
        return x
    blocks = -(-size // _BLOCK)
    if blocks * _BLOCK != size:
        beyond = _padding(b, x, axis, blocks * _BLOCK - size, neutral)
        x = b(concat, x, beyond, axis=axis)
    outer, inner = x.shape[:axis], x.shape[axis + 1 :]
    parts = b(reshape, x, shape=(*outer, blocks, _BLOCK, *inner))
    within = prefix(b, parts, axis + 1, combine, neutral)
    totals = b(reshape, along(b, within, axis + 1, _BLOCK - 1, 1), shape=(*outer, blocks, *inner))
    before = _shifted(b, prefix(b, totals, axis, combine, neutral), axis, 1, neutral)
    before = b(reshape, before, shape=(*outer, blocks, 1, *inner))
    whole = b(combine, b(broadcast_to, before, shape=within.shape), within)
    out = b(reshape, whole, shape=(*outer, blocks * _BLOCK, *inner))
    return along(b, out, axis, 0, size)


def _infer(name: str, kinds: frozenset[dtypes.DType]) -> Callable[..., Type]:
    def infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
        (x,) = ins
        if x.dtype not in kinds:
            raise DTypeError(f"{name} is not defined for {x.dtype}; use x.long() or x.float()")
        if not 0 <= attrs["axis"] < len(x.shape):
            raise ShapeError(f"axis {attrs['axis']} is not an axis of shape {x.shape}")
        return x

    return infer


def _samples(refused: frozenset[dtypes.DType]) -> Callable[..., Iterable[Sample]]:
    """Distinct numbers in several shapes, a long axis among them; empty; zeros; nasty values."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
        if dtypes.from_numpy(dtype) in refused:
            return
        for shape, axis in (
            ((3, 4), 1), ((3, 4), 0), ((5,), 0), ((2, 19, 3), 1), ((1,), 0), ((0, 3), 1),
            ((2, 0), 1),
        ):  # fmt: skip
            x = rng.permutation(math.prod(shape)).reshape(shape)
            scaled = 0.5 + x / (x.size + 1) if dtype.kind == "f" else x % 4
            yield Sample((np.asarray(scaled, dtype),), {"axis": axis})
        wide = np.asarray(0.5 + rng.permutation(48).reshape(6, 8) / 48, dtype)
        yield Sample((wide[::2, ::-1].T,), {"axis": 1})  # not contiguous
        long = np.asarray(rng.integers(1, 3, (2, 300)), dtype) / dtype.type(2)
        yield Sample((np.asarray(long, dtype),), {"axis": 1}, smooth=False)
        if dtype.kind == "f":
            nasty = [[1, 0, 2, 0], [2, np.inf, 3, 1], [1, np.nan, 2, 0], [-np.inf, 1, 2, 3]]
            yield Sample((np.array(nasty, dtype),), {"axis": 1}, smooth=False)

    return samples


def _accumulated(fn: np.ufunc, *, rounds: bool = True) -> _Values:
    """The running `fn`; where it rounds, float32 in float64: 1e-4 is lost in a million numbers."""

    def numpy(x: Array, axis: int) -> Array:
        wide = np.float64 if rounds and x.dtype == np.float32 else x.dtype
        return np.asarray(fn.accumulate(x, axis=axis, dtype=wide), x.dtype)

    return numpy


def _combined(combine: Op, neutral: Callable[[Node], float]) -> _Nodes:
    """The parallel prefix of an op with a neutral element."""
    return lambda b, x, axis: prefix(b, x, axis, combine, neutral(x))


def _running(
    name: str,
    values: _Values,
    nodes: _Nodes,
    kinds: frozenset[dtypes.DType],
    **more: Any,
) -> Op:
    """The op with the NumPy meaning `values` and the decomposition `nodes`, along an axis."""

    def decompose(b: Builder, node: Node) -> Node:
        (x,) = node.inputs
        return x if x.type.size == 0 else nodes(b, x, node.attrs["axis"])  # type: ignore[union-attr]

    return Op(
        name,
        _infer(name, kinds),
        lambda ins, attrs: values(ins[0], attrs["axis"]),
        decompose=decompose,
        batch=leading,
        samples=_samples(frozenset(dtypes.ALL) - kinds),
        illegal=(
            Illegal((Type(_f32, (2, 3)),), {"axis": 2}, ShapeError),
            Illegal((Type(dtypes.bool_, (2, 3)),), {"axis": 1}, DTypeError),
        ),
        **more,
    )


def _cumsum_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    axis = node.attrs["axis"]
    return (turned(b, b(cumsum, turned(b, ct, axis), axis=axis), axis),)


def _least(x: Node) -> float:
    if x.dtype.kind == "float":
        return -math.inf
    return int(np.iinfo(x.dtype.numpy).min)


_FLOATS = frozenset({dtypes.float32, dtypes.float64})
_ADDABLE = _FLOATS | {dtypes.int64}
cumsum: Op = _running(
    "cumsum",
    _accumulated(np.add),
    _combined(add, lambda x: 0),  # noqa: ARG005 - the signature
    _ADDABLE,
    vjp=_cumsum_vjp,
    traits=frozenset({"linear"}),
)


def _log_running(x: Array, axis: int) -> Array:
    """In float64, from the row's maximum where that is close to all of the row."""
    wide = np.asarray(x, np.float64)
    top, low = finite_max(wide, axis), -finite_max(-wide, axis)
    top = np.where(top - low <= np.abs(top) / 2, top, 0)
    return np.asarray(np.logaddexp.accumulate(wide - top, axis=axis) + top, x.dtype)


def _log_prefix(b: Builder, x: Node, axis: int) -> Node:
    """From the row's maximum where subtracting it is exact: a common offset costs no digit."""
    held = b(detach, x)
    top, low = shifted(b, held, axis)[1], b(neg, shifted(b, b(neg, held), axis)[1])
    close = b(le, b(sub, top, low), b(mul, b(abs_, top), filled(b, 0.5, top)))
    top = along_axis(b, b(where, close, top, filled(b, 0, top)), x, axis)
    return b(add, prefix(b, b(sub, x, top), axis, logaddexp, -math.inf), top)


cumprod = _running(
    "cumprod",
    _accumulated(np.multiply),
    _combined(mul, lambda x: 1),  # noqa: ARG005 - the signature
    _ADDABLE,
    saves=None,
)
cummax = _running(
    "cummax",
    _accumulated(np.maximum, rounds=False),
    _combined(maximum, _least),
    _ADDABLE,
    saves=None,
)
logcumsumexp = _running("logcumsumexp", _log_running, _log_prefix, _FLOATS, saves=None)

TABLE = (cumsum, cumprod, cummax, logcumsumexp)
