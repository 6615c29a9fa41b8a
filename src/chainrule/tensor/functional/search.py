"""Finding values: distinct ones, positions in sorted rows, membership, counts in bins.

How many distinct values there are depends on the values: `unique` and its kin are eager only.
Example: `bucketize(x, boundaries)`; `unique(words, return_counts=True)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, operands
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import arithmetic, comparison, reduce
from chainrule.tensor.functional.forms import also_called, of_kinds, with_out
from chainrule.tensor.functional.gather import gather

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive"]


@with_out
def searchsorted(
    sorted_sequence: Operand, input: Operand, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Operand = None,
) -> Tensor:  # fmt: skip
    """The number of elements before each of `input` in the sorted last axis.

    `right` puts it behind equal ones. Source:
    https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html
    """
    if side not in {None, "left", "right"} or (side == "left" and right):
        raise ArgumentError(
            f"searchsorted: side is 'left' or 'right', in line with right=, not {side!r}"
        )
    rows, wanted = as_tensor(sorted_sequence), as_tensor(input)
    if not rows.shape:
        raise ShapeError("searchsorted needs a sequence with at least one axis, not a scalar")
    if sorter is not None:
        rows = gather(rows, len(rows.shape) - 1, as_tensor(sorter))
    if len(rows.shape) > 1 and rows.shape[:-1] != wanted.shape[:-1]:
        raise ShapeError(
            f"searchsorted of {wanted.shape} in the rows of {rows.shape}: all axes but the last "
            "must be equal"
        )
    dtype = dtypes.promote(rows.dtype, wanted.dtype)
    dtype = dtypes.uint8 if dtype is dtypes.bool_ else dtype
    count = shapes.size(rows.shape[:-1])
    table = apply(TABLE["reshape"], cast(rows, dtype), shape=(count, rows.shape[-1]))
    size = wanted.array_type.size // count if count else 0
    values = apply(TABLE["reshape"], cast(wanted, dtype), shape=(count, size))
    found = apply(TABLE["searchsorted"], table, values, right=right or side == "right")
    found = apply(TABLE["reshape"], found, shape=wanted.shape)
    return cast(found, dtypes.int32) if out_int32 else found


@of_kinds
def bucketize(
    input: Operand, boundaries: Operand, *, out_int32: bool = False, right: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Which of the buckets between sorted boundaries each element falls into; left ends open."""
    if len(as_tensor(boundaries).shape) != 1:
        raise ShapeError(
            f"bucketize needs a vector of boundaries, not {as_tensor(boundaries).shape}"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@with_out
@also_called(element="elements", test_element="test_elements")
def isin(
    elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each of `elements` is among `test_elements`."""
    del assume_unique
    x, among = as_tensor(elements), as_tensor(test_elements)
    row = apply(TABLE["reshape"], among, shape=(among.array_type.size,))
    wide = apply(TABLE["reshape"], x, shape=(*x.shape, 1))
    found = reduce.any(comparison.eq(wide, row), -1)
    return comparison.logical_not(found) if invert else found


def _results(arrays: list[Any], wanted: list[bool]) -> Any:
    out = tuple(wrap(np.asarray(a, order="C")) for a, w in zip(arrays, wanted, strict=True) if w)
    return out[0] if len(out) == 1 else out


@of_kinds
def unique(
    input: Operand, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct elements (slices along `dim`), sorted; the index of each, their counts.

    Sorted whatever `sorted` says. Eager only: the number of results depends on the values.
    """
    del sorted
    x = as_tensor(input)
    value = x._concrete("unique(), whose number of results depends on values,")
    axis = None if dim is None else shapes.normal_axis(dim, len(x.shape))
    found, inverse, counts = np.unique(
        value, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(value.shape if axis is None else (value.shape[axis],))
    return _results([found, inverse, counts], [True, return_inverse, return_counts])


@of_kinds
def unique_consecutive(
    input: Operand,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The elements (slices along `dim`) without repeats in a row; the index of each, their counts.

    Eager only: the number of results depends on the values.
    """
    x = as_tensor(input)
    value = x._concrete("unique_consecutive(), whose number of results depends on values,")
    dim = None if dim is None else shapes.normal_axis(dim, value.ndim)
    rows = value.reshape(-1) if dim is None else np.moveaxis(value, dim, 0)
    flat = rows.reshape(len(rows), shapes.size(rows.shape[1:]))
    new = np.ones(len(rows), bool)
    new[1:] = (flat[1:] != flat[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(rows)))
    kept = rows[new] if dim is None else np.moveaxis(rows[new], 0, dim)
    inverse = np.cumsum(new) - 1
    inverse = inverse.reshape(value.shape) if dim is None else inverse
    return _results([kept, inverse, counts], [True, return_inverse, return_counts])


@with_out
def histc(input: Operand, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max], or of their range."""
    x = as_tensor(input)
    if x.dtype.kind != "float":
        raise ArgumentError(f"histc needs floating-point input, not {x.dtype}; use x.float()")
    if bins <= 0 or max < min:
        raise ArgumentError(f"histc needs bins > 0 and min <= max, not {bins}, {min} and {max}")
    flat = apply(TABLE["reshape"], x.detach(), shape=(x.array_type.size,))
    low, high = as_tensor(float(min)), as_tensor(float(max))
    if min == max and x.array_type.size:
        low, high = reduce.amin(flat), reduce.amax(flat)
    low, high = (expand(cast(t, x.dtype), ()) for t in operands(low, high))
    even = comparison.eq(low, high)
    low = comparison.where(even, arithmetic.sub(low, 1), low)
    high = comparison.where(even, arithmetic.add(high, 1), high)
    share = arithmetic.div(arithmetic.sub(flat, low), arithmetic.sub(high, low))
    number = comparison.clamp(arithmetic.floor(arithmetic.mul(share, bins)), 0, bins - 1)
    inside = comparison.logical_and(comparison.ge(flat, low), comparison.le(flat, high))
    ones = cast(inside, dtypes.int64)
    places = cast(comparison.where(inside, number, 0.0), dtypes.int64)
    return cast(apply(TABLE["scatter_add"], ones, places, rows=bins), x.dtype)
