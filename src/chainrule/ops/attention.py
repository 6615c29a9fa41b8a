"""Scaled dot-product attention, which keeps its identity, and its gradient as one op.

softmax(q kᵀ·scale + mask) v without a T×S matrix that outlives the op: the row-wise log-sum-exp is
kept instead, from which the gradient recomputes the weights. A fully masked row gives zeros.
Operands are (B, H, T, D), (B, H, S, D), (B, H, S, Dv) and an optional additive mask (B, H, T, S),
which the gradient reads again.
Source: Dao et al., FlashAttention (2022). Example: `attention(q, k, v, scale=0.125, causal=True)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, TupleType, Type
from chainrule.ops.arithmetic import add, mul, sub
from chainrule.ops.comparison import ge, where
from chainrule.ops.control import bundle, project
from chainrule.ops.creation import filled, iota
from chainrule.ops.normalize import along, logsumexp, softmax
from chainrule.ops.products import matmul, swap
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample, Template, merging
from chainrule.ops.reduce import sum_

_f32 = dtypes.float32
_ROWS, _COLUMNS, _RANK = 2, 3, 4


def _check(ins: tuple[Type, ...]) -> None:
    q, k, v = ins[:3]
    fits = all(len(t.shape) == _RANK for t in ins)
    fits = fits and q.shape[:2] == k.shape[:2] == v.shape[:2]
    fits = fits and q.shape[3] == k.shape[3] and k.shape[2] == v.shape[2]
    if not fits:
        raise ShapeError(
            "attention needs q (B, H, T, D), k (B, H, S, D), v (B, H, S, Dv), "
            f"not {q.shape}, {k.shape}, {v.shape}"
        )
    if len({t.dtype for t in ins}) > 1 or q.dtype.kind != "float":
        raise DTypeError(f"attention needs one float dtype, not {[t.dtype.name for t in ins]}")


def _check_mask(ins: tuple[Type, ...], masks: tuple[Type, ...]) -> None:
    full = (*ins[0].shape[:3], ins[1].shape[2])
    for mask in masks:
        if mask.shape != full:
            raise ShapeError(f"the attention mask has shape {mask.shape}; it must be {full}")


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:  # noqa: ARG001 - the signature
    _check(ins)
    _check_mask(ins, ins[3:])
    q, _, v = ins[:3]
    return TupleType((Type(q.dtype, (*q.shape[:3], v.shape[3])), Type(q.dtype, q.shape[:3])))


def attention_scores(
    b: Builder, ins: tuple[Node, ...], masks: tuple[Node, ...], attrs: Attrs
) -> Node:
    """q @ kᵀ times the scale, with the mask added and later positions at −∞."""
    scores = b(matmul, ins[0], swap(b, ins[1]))
    scores = b(mul, scores, filled(b, attrs["scale"], scores))
    for mask in masks:
        scores = b(add, scores, mask)
    if attrs["causal"]:
        row = b(iota, dtype=dtypes.int64, shape=scores.shape, axis=_ROWS)
        column = b(iota, dtype=dtypes.int64, shape=scores.shape, axis=_COLUMNS)
        scores = b(where, b(ge, row, column), scores, filled(b, -math.inf, scores))
    return scores


def _decompose(b: Builder, node: Node) -> Node:
    scores = attention_scores(b, node.inputs, node.inputs[3:], node.attrs)
    lse = b(logsumexp, scores, axis=_COLUMNS)
    weights = b(softmax, scores, axis=_COLUMNS)
    return b(bundle, b(matmul, weights, node.inputs[2]), lse)


def _weights(ins: Any, masks: Any, attrs: Attrs) -> tuple[Array, Array]:
    """The softmax of the scores, taken from their maximum, and log Σ exp of them."""
    q, k = ins[:2]
    scores = np.matmul(q, np.swapaxes(k, 2, 3))
    scores *= attrs["scale"]
    for mask in masks:
        scores += mask
    if attrs["causal"]:
        allowed = np.tri(scores.shape[2], scores.shape[3], dtype=bool)
        scores = np.where(allowed, scores, q.dtype.type(-np.inf))
    top = np.maximum.reduce(scores, axis=_COLUMNS, initial=-np.inf)
    top = np.where(np.isinf(top), q.dtype.type(0), top)
    scores -= top[..., None]
    weights = np.exp(scores, out=scores)
    total = np.add.reduce(weights, axis=_COLUMNS)
    lse = np.log(total) + top
    weights /= np.where(total == 0, q.dtype.type(1), total)[..., None]
    return weights, lse


def _numpy(ins: Any, attrs: Attrs) -> tuple[Array, ...]:
    weights, lse = _weights(ins, ins[3:], attrs)
    return np.matmul(weights, ins[2]), lse


def _vjp(b: Builder, node: Node, ct: Any) -> tuple[Node | None, ...]:
    q, k, v, *masks = node.inputs
    d_out, d_lse = ct
    if d_out is None:
        d_out = filled(b, 0, b(project, node, index=0))
    out, lse = b(project, node, index=0), b(project, node, index=1)
    ins = (q, k, v, out, lse, d_out)
    if d_lse is not None:
        parts = _gradients(b, ins, tuple(masks), node.attrs, d_lse)
        return tuple(parts[: len(node.inputs)])
    grad = b(attention_grad, *ins, *masks, **node.attrs)
    parts = tuple(b(project, grad, index=i) for i in range(3))
    # the gradient of a mask is as large as the scores: evaluated only for a mask that learns
    return (*parts, *(_gradients(b, ins, tuple(masks), node.attrs, None)[3] for _ in masks))


def _gradients(
    b: Builder, ins: tuple[Node, ...], masks: tuple[Node, ...], attrs: Attrs, d_lse: Node | None
) -> tuple[Node, ...]:
    """dq, dk, dv, dmask by the textbook formulas, from the recomputed weights."""
    q, k, v, out, _, d_out = ins
    scores = attention_scores(b, (q, k), masks, attrs)
    weights = b(softmax, scores, axis=_COLUMNS)
    shift = b(sum_, b(mul, d_out, out), axes=(_COLUMNS,))
    if d_lse is not None:
        shift = b(sub, shift, d_lse)
    down = b(sub, b(matmul, d_out, swap(b, v)), along(b, shift, scores, _COLUMNS))
    d_scores = b(mul, weights, down)
    scaled = b(mul, d_scores, filled(b, attrs["scale"], d_scores))
    return (
        b(matmul, scaled, k),
        b(matmul, swap(b, scaled), q),
        b(matmul, swap(b, weights), d_out),
        d_scores,
    )


def _draw(rng: np.random.Generator, dtype: np.dtype[Any], *shape: int) -> Array:
    return np.asarray(rng.normal(0, 1, shape), dtype)


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return
    for (t, s, d, e), causal, masked in (
        ((3, 4, 2, 3), False, False), ((5, 5, 4, 4), True, False), ((2, 3, 1, 2), False, True),
        ((1, 1, 1, 1), True, False), ((4, 6, 2, 2), True, True), ((0, 2, 2, 2), False, False),
        ((2, 0, 2, 2), False, False), ((40, 40, 8, 8), True, False),
    ):  # fmt: skip
        q = _draw(rng, dtype, 2, 2, t, d)
        k, v = _draw(rng, dtype, 2, 2, s, d), _draw(rng, dtype, 2, 2, s, e)
        masks = (_draw(rng, dtype, 2, 2, t, s),) if masked else ()
        attrs = {"scale": 0.5, "causal": causal}
        yield Sample((q, k, v, *masks), attrs, smooth=s > 0)  # of nothing, lse is -inf
    heads = tuple(_draw(rng, dtype, 2, 5, 3, 4).transpose(0, 2, 1, 3) for _ in "qkv")
    yield Sample(heads, {"scale": 0.5, "causal": True})  # not contiguous
    q, k, v = (_draw(rng, dtype, 1, 1, 3, 2) for _ in "qkv")
    mask = np.full((1, 1, 3, 3), -np.inf, dtype)  # first row sees nothing, the others something
    mask[..., 1:, :2] = 0
    yield Sample((q, k, v, mask), {"scale": 1.0, "causal": False}, smooth=False)


_RIGHT = (Type(_f32, (1, 1, 2, 3)),) * 3
_WRONG = tuple(Type(_f32, (1, 1, 2, n)) for n in (3, 4, 3))
_PLAIN = {"scale": 1.0, "causal": False}

attention = Op(
    "attention",
    _infer,
    _numpy,
    vjp=_vjp,
    saves=None,
    lower=Template("attention"),
    decompose=_decompose,
    batch=merging,
    samples=_samples,
    illegal=(
        Illegal(_WRONG, _PLAIN, ShapeError),
        Illegal((*_RIGHT, Type(_f32, (1, 1, 2, 3))), _PLAIN, ShapeError),
        Illegal((Type(_f32, (2, 3)),) * 3, _PLAIN, ShapeError),
        Illegal((*_RIGHT[:2], Type(dtypes.float64, (1, 1, 2, 3))), _PLAIN, DTypeError),
        Illegal((Type(dtypes.int64, (1, 1, 2, 3)),) * 3, _PLAIN, DTypeError),
    ),
)


def _grad_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:
    out, lse = _infer(ins[:3], attrs).items
    wanted = (out, lse, out)
    if ins[3:6] != wanted:
        shown = ", ".join(map(str, ins[3:6]))
        raise ShapeError(
            f"attention_grad needs out, lse, d_out of {', '.join(map(str, wanted))}, not {shown}"
        )
    _check_mask(ins, ins[6:])
    return TupleType(ins[:3])


def _grad_numpy(ins: Any, attrs: Attrs) -> tuple[Array, ...]:
    q, k, v, out, _, d_out, *masks = ins
    weights, _ = _weights(ins, masks, attrs)
    shift = np.add.reduce(d_out * out, axis=_COLUMNS, keepdims=True)
    scaled = weights * (np.matmul(d_out, np.swapaxes(v, 2, 3)) - shift)
    scaled *= attrs["scale"]
    return (
        np.matmul(scaled, k),
        np.matmul(np.swapaxes(scaled, 2, 3), q),
        np.matmul(np.swapaxes(weights, 2, 3), d_out),
    )


def _grad_decompose(b: Builder, node: Node) -> Node:
    ins, masks = node.inputs[:6], node.inputs[6:]
    return b(bundle, *_gradients(b, ins, masks, node.attrs, None)[:3])


def _grad_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for inputs, attrs, smooth in _samples(rng, dtype):
        with np.errstate(all="ignore"):
            out, lse = _numpy(inputs, attrs)
        given = (*inputs[:3], out, lse, _draw(rng, dtype, *out.shape), *inputs[3:])
        yield Sample(given, attrs, smooth)


attention_grad = Op(
    "attention_grad",
    _grad_infer,
    _grad_numpy,
    saves=None,
    lower=Template("attention_grad"),
    decompose=_grad_decompose,
    batch=merging,
    samples=_grad_samples,
    illegal=(
        Illegal(_WRONG + _WRONG, _PLAIN, ShapeError),
        Illegal(_RIGHT + _RIGHT, _PLAIN, ShapeError),
        Illegal((*_RIGHT, _RIGHT[0], Type(_f32, (1, 1, 2)), *_RIGHT[:2]), _PLAIN, ShapeError),
    ),
)

TABLE = (attention, attention_grad)
