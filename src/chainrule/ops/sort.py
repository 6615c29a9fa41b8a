"""The stable order of the elements along the last axis, NaN counting as the largest number.

Evaluated it is NumPy's sort or partition, compiled a kernel (`lower/templates/order.py`).
Example: `argsort(x, descending=False)` of [3, 1, 2] is [1, 2, 0]; `topk(x, k=1)` of it is [0].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Type
from chainrule.ops.comparison import no_gradient
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.record import Array, Illegal, Op, Sample, Template, leading

_i64, _f32 = dtypes.int64, dtypes.float32


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    (x,) = ins
    need_kind("argsort", x.dtype, NUMBERS)
    if not x.shape:
        raise ShapeError("argsort orders the last axis, and a scalar has none")
    return Type(_i64, x.shape)


def _argsort(ins: Any, attrs: Attrs) -> Array:
    (x,) = ins
    if not attrs["descending"]:
        return np.asarray(np.argsort(x, axis=-1, kind="stable"))
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")
    return np.asarray(x.shape[-1] - 1 - backwards[..., ::-1])


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for descending in (False, True):
        attrs = {"descending": descending}
        for shape in ((3, 4), (17,), (2, 3, 2), (1,), (0, 3), (2, 0)):
            yield Sample((np.asarray(rng.integers(0, 9, shape), dtype),), attrs)
        wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
        yield Sample((wide[::2, ::-1].T,), attrs)  # not contiguous
        if dtype.kind == "f":
            nasty = np.array([[0.0, np.nan, np.inf, -0.0, np.nan, -np.inf, 1]], dtype)
            yield Sample((nasty,), attrs, smooth=False)


argsort = Op(
    "argsort",
    _infer,
    _argsort,
    vjp=no_gradient,
    lower=Template("order"),
    batch=leading,
    samples=_samples,
    illegal=(
        Illegal((Type(_f32, ()),), {"descending": False}, ShapeError),
        Illegal((Type(dtypes.bool_, (2,)),), {"descending": False}, DTypeError),
    ),
)


def _topk_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,), k = ins, attrs["k"]
    need_kind("topk", x.dtype, NUMBERS)
    if not x.shape or not 0 <= k <= x.shape[-1]:
        raise ShapeError(f"topk of {k} along a last axis with fewer elements: shape {x.shape}")
    return Type(_i64, (*x.shape[:-1], k))


def _topk(ins: Any, attrs: Attrs) -> Array:
    (x,), k, descending = ins, attrs["k"], attrs["descending"]
    size = x.shape[-1]
    if k == 0 or 4 * k > size or x.size == 0:
        return np.ascontiguousarray(_argsort(ins, attrs)[..., :k])
    last = size - k if descending else k - 1
    edge = np.partition(x, last, axis=-1)[..., last : last + 1]
    same = (x == edge) | ((x != x) & (edge != edge))  # noqa: PLR0124 - NaN
    if descending:
        inside = (x > edge) | ((x != x) & (edge == edge))  # noqa: PLR0124
    else:
        inside = (x < edge) | ((x == x) & (edge != edge))  # noqa: PLR0124
    missing = k - inside.sum(-1, keepdims=True)
    inside |= same & (np.cumsum(same, axis=-1) <= missing)
    found = np.nonzero(inside)[-1].reshape(*x.shape[:-1], k)
    order = _argsort([np.take_along_axis(x, found, -1)], attrs)
    return np.take_along_axis(found, order, -1)


def _topk_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for descending in (False, True):
        for shape, k in (((3, 4), 2), ((2, 2, 5), 5), ((1,), 1), ((3,), 0), ((0, 3), 2)):
            x = np.asarray(rng.integers(0, 9, shape), dtype)
            yield Sample((x,), {"descending": descending, "k": k})
        wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
        yield Sample((wide[::2, ::-1].T,), {"descending": descending, "k": 2})  # not contiguous
        long = np.asarray(rng.integers(0, 40, (2, 70)), dtype)
        yield Sample((long,), {"descending": descending, "k": 3})
        if dtype.kind == "f":
            nasty = np.where(long < 2, np.nan, np.where(long < 35, np.inf, -np.inf)).astype(dtype)
            worst = np.full((1, 70), -np.inf if descending else np.nan, dtype)
            for x in (nasty, worst):
                yield Sample((x,), {"descending": descending, "k": 5}, smooth=False)


topk = Op(
    "topk",
    _topk_infer,
    _topk,
    vjp=no_gradient,
    lower=Template("order"),
    batch=leading,
    samples=_topk_samples,
    illegal=(
        Illegal((Type(_f32, (2,)),), {"descending": True, "k": 3}, ShapeError),
        Illegal((Type(_f32, ()),), {"descending": True, "k": 0}, ShapeError),
        Illegal((Type(dtypes.bool_, (2,)),), {"descending": True, "k": 1}, DTypeError),
    ),
)

TABLE = (argsort, topk)
