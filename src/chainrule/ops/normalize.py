"""Softmax and its logarithms, and layer normalisation: composites that evaluate in one step.

Compiled, they decompose into elementwise ops and reductions, which row fusion finds again. A fully
masked softmax row (all -inf) gives zeros and zero gradients, not NaN.
Example: `softmax(x, axis=1)` = exp(x - max x) / Σ exp(x - max x).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import abs_, add, div, maximum, mul, sub
from chainrule.ops.comparison import eq, where
from chainrule.ops.creation import filled, full
from chainrule.ops.exponential import exp, log, rsqrt
from chainrule.ops.layout import reshape
from chainrule.ops.record import OUT, Array, Builder, Illegal, Op, Sample
from chainrule.ops.reduce import amax, broadcast_to, sum_

_f32 = dtypes.float32


def _check(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    if x.dtype.kind != "float":
        raise DTypeError(f"softmax and normalisation need floats, not {x.dtype}; use x.float()")
    if not 0 <= attrs["axis"] < len(x.shape):
        raise ShapeError(f"axis {attrs['axis']} is not an axis of shape {x.shape}")
    return x


def _removed(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    x = _check(ins, attrs)
    return Type(x.dtype, shapes.reduced(x.shape, (attrs["axis"],)))


def along(b: Builder, small: Node, like: Node, axis: int) -> Node:
    """Broadcast `small` (without `axis`) along `axis` to the shape of `like`."""
    kept = b(reshape, small, shape=shapes.with_ones(like.shape, (axis,)))
    return b(broadcast_to, kept, shape=like.shape)


def _total(b: Builder, x: Node, axis: int) -> Node:
    return along(b, b(sum_, x, axes=(axis,)), x, axis)


def finite_max(x: Array, axis: int) -> Any:
    """Maximum along an axis, kept; 0 where it is infinite, so that shifting never makes NaN."""
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    np.putmask(top, np.isinf(top), 0)
    return top


def _rows(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    """Normal numbers in several shapes, empty ones too."""
    if dtype.kind != "f":
        return
    for shape, axis in (
        ((3, 4), 1), ((3, 4), 0), ((5,), 0), ((2, 3, 40), 2), ((0, 3), 1), ((2, 1), 1),
    ):  # fmt: skip
        yield Sample((np.asarray(rng.normal(0, 2, shape), dtype),), {"axis": axis})
    yield Sample((np.zeros((2, 0), dtype),), {"axis": 1}, smooth=False)
    wide = np.asarray(rng.normal(0, 2, (6, 8)), dtype)
    yield Sample((wide[::2, ::-1].T,), {"axis": 1})  # not contiguous


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    yield from _rows(rng, dtype)
    if dtype.kind == "f":
        far = np.array(
            [[1e4, -1e4, 0], [-np.inf, 0, 1], [-np.inf] * 3, [1e4] * 3, [0, np.nan, 1]], dtype
        )
        yield Sample((far,), {"axis": 1}, smooth=False)


_ILLEGAL = (
    Illegal((Type(_f32, (2, 3)),), {"axis": 2}, ShapeError),
    Illegal((Type(dtypes.int64, (2, 3)),), {"axis": 1}, DTypeError),
)


def _softmax(ins: Any, attrs: Attrs) -> Any:
    (x,), axis = ins, attrs["axis"]
    e = x - finite_max(x, axis)
    np.exp(e, e)
    total = np.add.reduce(e, axis=axis, keepdims=True)
    np.putmask(total, total == 0, 1)
    e /= total
    return e


def _softmax_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    weighted = b(mul, ct, node)
    return (b(sub, weighted, b(mul, node, _total(b, weighted, node.attrs["axis"]))),)


def _symmetric(vjp: Callable[..., tuple[Node]]) -> Callable[..., Node]:
    """The forward rule of an op whose Jacobian is symmetric: J·v = vᵀ·J."""
    return lambda b, node, tangents: vjp(b, node, tangents[0])[0]


def shifted(b: Builder, x: Node, axis: int) -> tuple[Node, Node]:
    """x - max x and max x (without `axis`), an infinite maximum replaced by 0."""
    if x.shape[axis]:
        top = b(amax, x, axes=(axis,))
        zero = filled(b, 0, top)
        top = b(where, b(eq, b(abs_, top), filled(b, math.inf, top)), zero, top)
    else:
        top = b(full, value=0, dtype=x.dtype, shape=shapes.reduced(x.shape, (axis,)))
    return b(sub, x, along(b, top, x, axis)), top


def _nonzero(b: Builder, total: Node) -> Node:
    """`total` with 0, the sum of a fully masked row, replaced by 1."""
    return b(where, b(eq, total, filled(b, 0, total)), filled(b, 1, total), total)


def _softmax_decompose(b: Builder, node: Node) -> Node:
    (x,), axis = node.inputs, node.attrs["axis"]
    e = b(exp, shifted(b, x, axis)[0])
    total = _nonzero(b, b(sum_, e, axes=(axis,)))
    return b(mul, e, along(b, b(div, filled(b, 1, total), total), x, axis))


softmax = Op(
    "softmax",
    _check,
    _softmax,
    vjp=_softmax_vjp,
    jvp=_symmetric(_softmax_vjp),
    saves=(OUT,),
    decompose=_softmax_decompose,
    sends=("out * (ct - sum(ct * out, axis, keepdims=True))",),
    traits=frozenset({"rows"}),
    samples=_samples,
    illegal=_ILLEGAL,
)


def _logsumexp(ins: Any, attrs: Attrs) -> Array:
    (x,), axis = ins, attrs["axis"]
    top = finite_max(x, axis)
    total = np.add.reduce(np.exp(x - top), axis=axis)
    return np.asarray(np.log(total) + np.squeeze(top, axis))


def _logsumexp_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # Not exp(x - out): for a large x the rounding of out is as large as the sum
    (x,), axis = node.inputs, node.attrs["axis"]
    return (b(mul, b(softmax, x, axis=axis), along(b, ct, x, axis)),)


def _logsumexp_jvp(b: Builder, node: Node, tangents: Sequence[Node]) -> Node:
    (x,), axis = node.inputs, node.attrs["axis"]
    return b(sum_, b(mul, b(softmax, x, axis=axis), tangents[0]), axes=(axis,))


def _logsumexp_decompose(b: Builder, node: Node) -> Node:
    (x,), axis = node.inputs, node.attrs["axis"]
    apart, top = shifted(b, x, axis)
    return b(add, b(log, b(sum_, b(exp, apart), axes=(axis,))), top)


logsumexp = Op(
    "logsumexp",
    _removed,
    _logsumexp,
    vjp=_logsumexp_vjp,
    jvp=_logsumexp_jvp,
    saves=(0,),
    decompose=_logsumexp_decompose,
    sends=("expand_dims(ct, axis) * exp(x - expand_dims(out, axis))",),
    traits=frozenset({"rows"}),
    samples=_samples,
    illegal=_ILLEGAL,
)


def _log_softmax(ins: Any, attrs: Attrs) -> Any:
    (x,), axis = ins, attrs["axis"]
    shifted = x - finite_max(x, axis)
    total = np.add.reduce(np.exp(shifted), axis=axis, keepdims=True)
    np.putmask(total, total == 0, 1)
    shifted -= np.log(total)
    return shifted


def _log_softmax_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(sub, ct, b(mul, b(exp, node), _total(b, ct, node.attrs["axis"]))),)


def _log_softmax_jvp(b: Builder, node: Node, tangents: Sequence[Node]) -> Node:
    weighted = b(mul, b(exp, node), tangents[0])
    return b(sub, tangents[0], _total(b, weighted, node.attrs["axis"]))


def _log_softmax_decompose(b: Builder, node: Node) -> Node:
    (x,), axis = node.inputs, node.attrs["axis"]
    apart, _ = shifted(b, x, axis)
    total = _nonzero(b, b(sum_, b(exp, apart), axes=(axis,)))
    return b(sub, apart, along(b, b(log, total), x, axis))


log_softmax = Op(
    "log_softmax",
    _check,
    _log_softmax,
    vjp=_log_softmax_vjp,
    jvp=_log_softmax_jvp,
    saves=(OUT,),
    decompose=_log_softmax_decompose,
    sends=("ct - exp(out) * sum(ct, axis, keepdims=True)",),
    traits=frozenset({"rows"}),
    samples=_samples,
    illegal=_ILLEGAL,
)


def _standardize(ins: Any, attrs: Attrs) -> Array:
    (x,), axis = ins, attrs["axis"]
    per_element = 1 / max(x.shape[axis], 1)
    centred = x - np.add.reduce(x, axis=axis, keepdims=True) * per_element
    centred -= np.add.reduce(centred, axis=axis, keepdims=True) * per_element
    variance = np.add.reduce(centred * centred, axis=axis, keepdims=True) * per_element
    return np.asarray(centred / np.sqrt(variance + attrs["eps"]))


def _mean(b: Builder, x: Node, axis: int) -> Node:
    total = b(sum_, x, axes=(axis,))
    return b(mul, total, filled(b, 1 / max(x.shape[axis], 1), total))


def _moments(b: Builder, x: Node, axis: int, eps: float) -> tuple[Node, Node]:
    """x - mean x, and 1/√(var + eps) repeated along the axis.

    The mean of a large x is rounded, and what it leaves is the mean of the difference d. It is
    summed together with d²: var = mean d² - (mean d)², so that a row is read as often as without.
    """
    d = b(sub, x, along(b, _mean(b, x, axis), x, axis))
    rest = _mean(b, d, axis)
    variance = b(sub, _mean(b, b(mul, d, d), axis), b(mul, rest, rest))
    variance = b(maximum, variance, filled(b, 0, variance))
    scale = b(rsqrt, b(add, variance, filled(b, eps, variance)))
    return b(sub, d, along(b, rest, x, axis)), along(b, scale, x, axis)


def _standardize_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # (ct - mean ct - out·mean(ct·out)) / σ
    (x,), axis = node.inputs, node.attrs["axis"]
    _, scale = _moments(b, x, axis, node.attrs["eps"])
    centre = along(b, _mean(b, ct, axis), x, axis)
    slope = along(b, _mean(b, b(mul, ct, node), axis), x, axis)
    return (b(mul, b(sub, b(sub, ct, centre), b(mul, node, slope)), scale),)


def _standardize_decompose(b: Builder, node: Node) -> Node:
    return b(mul, *_moments(b, node.inputs[0], node.attrs["axis"], node.attrs["eps"]))


def _standardize_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for sample in _rows(rng, dtype):
        yield Sample(sample.inputs, {**sample.attrs, "eps": 1e-5})
    if dtype.kind == "f":
        same = np.array([[3, 3, 3], [1e4, -1e4, 0], [np.nan, 0, 1]], dtype)
        yield Sample((same,), {"axis": 1, "eps": 1e-5}, smooth=False)


standardize = Op(
    "standardize",
    _check,
    _standardize,
    vjp=_standardize_vjp,
    jvp=_symmetric(_standardize_vjp),
    saves=(0, OUT),
    decompose=_standardize_decompose,
    traits=frozenset({"rows"}),
    samples=_standardize_samples,
    illegal=tuple(i._replace(attrs={**i.attrs, "eps": 1e-5}) for i in _ILLEGAL),
)

TABLE = (softmax, log_softmax, logsumexp, standardize)
