"""Sorting and what follows from it: argsort, topk, medians, quantiles.

The order is stable and NaN counts as the largest number, as in PyTorch; gradients flow to the
elements that were picked. All of it runs compiled. Example: `topk(logits, 50).indices`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, AxisError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, reduce
from chainrule.tensor.functional.forms import with_out
from chainrule.tensor.functional.gather import gather
from chainrule.tensor.functional.layout import axis_back, axis_last, squeeze
from chainrule.tensor.functional.slices import narrow
from chainrule.tensor.require import is_probability, require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile",
    "sort", "topk",
]  # fmt: skip


class Ordered(NamedTuple):
    """Elements and their indices: what `sort`, `topk`, `kthvalue` and `median` return."""

    values: Tensor
    indices: Tensor


def _line(input: Operand) -> Tensor:
    """The input with an axis to order: a scalar as a vector of one."""
    x = as_tensor(input)
    return x if x.shape else apply(TABLE["reshape"], x, shape=(1,))


def _order(x: Tensor, axis: int, **attrs: Any) -> Tensor:
    """The indices that sort along `axis`, the first k of them if k is given."""
    key = axis_last(x.detach(), axis)
    if key.dtype is dtypes.bool_:
        key = cast(key, dtypes.uint8)
    return axis_back(apply(TABLE["topk" if "k" in attrs else "argsort"], key, **attrs), axis)


def _picked(input: Operand, axis: int, index: Tensor) -> Ordered:
    """The elements at `index` along `axis`; of a scalar, scalars."""
    values = gather(_line(input), axis, index)
    if as_tensor(input).shape:
        return Ordered(values, index)
    return Ordered(*(apply(TABLE["reshape"], t, shape=()) for t in (values, index)))


@with_out
def sort(
    input: Operand, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> Ordered:
    """(values, indices) in order along `dim`; equal elements keep theirs, `stable` or not."""
    del stable
    x = _line(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    return _picked(input, axis, _order(x, axis, descending=bool(descending)))


@with_out
def argsort(
    input: Operand, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that `sort` returns."""
    return sort(input, dim, descending, stable=stable).indices


@with_out
def msort(input: Operand) -> Tensor:
    """Sorted along the first axis."""
    return sort(input, 0).values


@with_out
def topk(
    input: Operand, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Ordered:
    """The k largest (or smallest) along `dim`, in order: (values, indices); first come first."""
    del sorted
    x = _line(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"topk needs 0 ≤ k ≤ the size of axis {axis}, not {k} of shape {as_tensor(input).shape}"
        )
    return _picked(input, axis, _order(x, axis, k=int(k), descending=bool(largest)))


@with_out
def kthvalue(input: Operand, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """The k-th smallest element along `dim`, counted from 1: (values, indices)."""
    x = _line(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    if not 1 <= k <= x.shape[axis]:
        raise ArgumentError(
            f"kthvalue needs 1 ≤ k ≤ the size of axis {axis}, not {k} of shape {x.shape}"
        )
    index = narrow(_order(x, axis, descending=False), axis, k - 1, 1)
    return _without_axis(_picked(input, axis, index), axis, keepdim)


def _without_axis(found: Ordered, axis: int, keepdim: bool) -> Ordered:
    if keepdim or not found.values.shape:
        return found
    return Ordered(*(squeeze(t, axis).clone() for t in found))


def _middle(input: Operand, dim: int | None, keepdim: bool, *, skip_nan: bool) -> Any:
    x = _line(input)
    if dim is None:
        x = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
        input, axis = (x, 0) if x.array_type.size != 1 or as_tensor(input).shape else (input, 0)
    else:
        axis = shapes.normal_axis(dim, len(x.shape))
    size = x.shape[axis]
    if size == 0:
        if dim is None and x.dtype.kind == "float":
            return apply(TABLE["full"], value=float("nan"), dtype=x.dtype, shape=())
        raise AxisError(f"median of no elements: shape {x.shape} along axis {axis}")
    order = _order(x, axis, descending=False)
    nans = reduce.sum(comparison.isnan(x), axis, keepdim=True)
    real = arithmetic.sub(size, nans)
    place = arithmetic.floor_divide(arithmetic.sub(real, 1), 2)
    if skip_nan:
        place = comparison.clamp(place, min=0)
    else:
        place = comparison.where(comparison.gt(nans, 0), real, place)
    index = gather(order, axis, place)
    found = _without_axis(_picked(input, axis, index), axis, keepdim and dim is not None)
    if dim is not None:
        return found
    return _shared(x, found.values) if x.requires_grad else found.values


def _shared(x: Tensor, value: Tensor) -> Tensor:
    """`value`, whose gradient the elements of the vector x that equal it share."""
    same = comparison.eq(x, value)
    if x.dtype.kind == "float":
        nan = comparison.logical_and(comparison.isnan(x), comparison.isnan(value))
        same = comparison.logical_or(same, nan)
    return reduce.amax(comparison.where(same, x, -float("inf")))


@with_out
def median(input: Operand, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element of all, or along `dim` (values, indices); of two, the smaller.

    NaN if there is one. Of all, equal elements share the gradient; along `dim` one gets it.
    """
    return _middle(input, dim, keepdim, skip_nan=False)


@with_out
def nanmedian(input: Operand, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element among those that are not NaN."""
    return _middle(input, dim, keepdim, skip_nan=True)


@with_out
def mode(input: Operand, dim: int = -1, keepdim: bool = False) -> Ordered:
    """The most frequent element along `dim` and its last index; of several the smallest."""
    x = _line(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    size = x.shape[axis]
    if size == 0:
        raise AxisError(f"mode of no elements: shape {x.shape} along axis {axis}")
    order = _order(x, axis, descending=False)
    line = gather(x.detach(), axis, order)
    places = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=axis)
    if size > 1:
        begins = comparison.ne(narrow(line, axis, 1, size - 1), narrow(line, axis, 0, size - 1))
        later = comparison.where(begins, narrow(places, axis, 1, size - 1), 0)
        starts = apply(TABLE["concat"], narrow(places, axis, 0, 1), later, axis=axis)
        length = arithmetic.sub(places, apply(TABLE["cummax"], starts, axis=axis))
        index = gather(order, axis, reduce.argmax(length, axis, keepdim=True))
    else:
        index = order
    return _without_axis(_picked(input, axis, index), axis, keepdim)


_INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def _between(low: Tensor, high: Tensor, part: Tensor, interpolation: str) -> Tensor:
    """The quantile, a part of the way from the element below the rank to the one above it."""
    if interpolation in {"lower", "nearest"}:
        return low
    if interpolation == "higher":
        return high
    return comparison.lerp(low, high, part if interpolation == "linear" else 0.5)


def _quantile(
    input: Operand, q: Operand, dim: int | None, keepdim: bool, way: str, *, skip_nan: bool
) -> Tensor:
    if way not in _INTERPOLATIONS:
        raise ArgumentError(f"interpolation is one of {', '.join(_INTERPOLATIONS)}, not {way!r}")
    x = _line(input)
    if x.dtype.kind != "float":
        raise ArgumentError(f"quantile needs floating-point input, not {x.dtype}; use x.float()")
    rank_of_x = len(as_tensor(input).shape)
    if dim is None:
        x = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
    axis = 0 if dim is None else shapes.normal_axis(dim, len(x.shape))
    chosen = as_tensor(q, x.dtype)
    if len(chosen.shape) > 1:
        raise ShapeError(f"quantile takes a number or a vector of them, not shape {chosen.shape}")
    chosen = require("quantile: q", chosen, is_probability, "a fraction lies between 0 and 1")
    rows = axis_last(x, axis)
    size = rows.shape[-1]
    order = _order(rows, len(rows.shape) - 1, descending=False)
    nans = reduce.sum(comparison.isnan(rows), -1, keepdim=True)
    last = cast(arithmetic.sub(size - 1, nans), x.dtype)
    if skip_nan:
        last = comparison.clamp(last, min=0)
    flat = apply(TABLE["reshape"], chosen, shape=(chosen.array_type.size,))
    rank = arithmetic.mul(last, flat)
    if not skip_nan:
        rank = comparison.where(comparison.gt(nans, 0), float(size - 1), rank)
    if way == "nearest":
        rank = arithmetic.round(rank)
    below, above = arithmetic.floor(rank), arithmetic.ceil(rank)
    low, high = (
        gather(rows, len(rows.shape) - 1, gather(order, len(rows.shape) - 1, at))
        for at in (cast(below, dtypes.int64), cast(above, dtypes.int64))
    )
    out = _between(low, high, arithmetic.sub(rank, below), way)
    return _arranged(out, chosen, axis, rank_of_x, dim, keepdim)


def _arranged(
    out: Tensor, chosen: Tensor, axis: int, rank: int, dim: int | None, keepdim: bool
) -> Tensor:
    """(…, Q) with the quantiles first, the reduced axis kept or not; no Q for a single number."""
    outer = out.shape[:-1]
    order = (len(outer), *range(len(outer)))
    out = apply(TABLE["transpose"], out, axes=order)
    kept = (1,) * rank if dim is None else (*outer[:axis], 1, *outer[axis:])
    shape = (kept if rank else ()) if keepdim else outer
    lead = chosen.shape
    return apply(TABLE["reshape"], out, shape=(*lead, *shape))


@with_out
def quantile(
    input: Operand, q: Operand, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The values below which the fractions `q` of the elements lie, first axis by q if a vector."""
    return _quantile(input, q, dim, keepdim, interpolation, skip_nan=False)


@with_out
def nanquantile(
    input: Operand, q: Operand, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """`quantile` of the elements that are not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, skip_nan=True)
