"""Positions of values in sorted rows: the number of elements before each.

Evaluated and compiled (`lower/templates/search.py`) it is a binary search.
Example: `searchsorted(rows, values, right=False)` of [[1, 3, 5]] and [[3]] is [[1]].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Type
from chainrule.ops.comparison import no_gradient
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.record import Array, Illegal, Op, Sample, Template, merging

_i64, _f32 = dtypes.int64, dtypes.float32


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    rows, values = ins
    need_kind("searchsorted", rows.dtype, NUMBERS)
    if rows.dtype is not values.dtype:
        raise DTypeError(f"searchsorted needs equal dtypes, not {values.dtype} in {rows.dtype}")
    if len(rows.shape) != 2 or len(values.shape) != 2 or rows.shape[0] != values.shape[0]:
        raise ShapeError(
            f"searchsorted needs values in as many rows as are sorted, not {values.shape} in "
            f"{rows.shape}"
        )
    return Type(_i64, values.shape)


def _searchsorted(ins: Any, attrs: Attrs) -> Array:
    rows, values = ins
    side: Literal["left", "right"] = "right" if attrs["right"] else "left"
    out = np.empty(values.shape, np.int64)
    for found, row, wanted in zip(out, rows, values, strict=True):
        found[...] = np.searchsorted(row, wanted, side)
    return out


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for right in (False, True):
        for count, size, wanted in ((2, 5, 4), (1, 40, 9), (1, 1, 1), (2, 0, 3), (3, 4, 0)):
            rows = np.sort(np.asarray(rng.integers(0, 9, (count, size)), dtype), axis=1)
            values = np.asarray(rng.integers(0, 9, (count, wanted)), dtype)
            yield Sample((rows, values), {"right": right})
        rows = np.sort(np.asarray(rng.permutation(48).reshape(6, 8), dtype), axis=0)
        yield Sample((rows.T[::2], rows[::2, ::2].T), {"right": right})  # not contiguous
        if dtype.kind == "f":
            nasty = np.array([[-np.inf, -0.0, 0.0, 1, np.inf, np.nan]], dtype)
            yield Sample((nasty, nasty), {"right": right}, smooth=False)


searchsorted = Op(
    "searchsorted",
    _infer,
    _searchsorted,
    vjp=no_gradient,
    lower=Template("search"),
    batch=merging,
    samples=_samples,
    illegal=(
        Illegal((Type(_f32, (2, 3)), Type(_i64, (2, 3))), {"right": False}, DTypeError),
        Illegal((Type(_f32, (2, 3)), Type(_f32, (3, 3))), {"right": False}, ShapeError),
        Illegal((Type(dtypes.bool_, (2, 3)),) * 2, {"right": False}, DTypeError),
    ),
)

TABLE = (searchsorted,)
