"""Reading and writing by index: PyTorch's rules for `x[…]` and `x[…] = v`.

Integers, slices, None and `...` give views; integer tensors gather, and scatter in a write; a bool
mask becomes integers, whose number depends on values: eager only, except that a write to a mask may
be a choice between two values. Writing rebinds the handle (or the base of a view).
Example: `x[:, -1, None]`. Source: https://docs.pytorch.org/docs/stable/tensor_view.html and
https://numpy.org/doc/stable/user/basics.indexing.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, IndexBoundsError, TraceError
from chainrule.base.source import caller
from chainrule.ops import TABLE
from chainrule.tensor.convert import as_tensor, cast, expand, operands, single
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import layout, slices
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.masked import spread
from chainrule.tensor.handle import Handle
from chainrule.tensor.index_entries import (
    ALL,
    Region,
    axes_taken,
    entries_of,
    is_mask,
    known_region,
    literal_key,
    region_of,
)
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["index_put"]


def _view(x: Handle, entries: list[Any]) -> Tensor:
    return _region(x, region_of(x.array_type.shape, entries))


def _region(x: Handle, region: Region) -> Tensor:
    return layout.view_of(x, *_onto(x.array_type.shape, region))


@lru_cache(layout.MOST_OPTICS)
def _onto(axes: shapes.Shape, region: Region) -> layout.Optics:
    """The lens onto a region of axes of these sizes."""
    start, step, shape, seen = region
    if shape == axes and set(step) <= {1}:
        return layout.renumbering(seen)
    return slices.slicing(start, step, shape, seen)


def _transposed(x: Tensor, axes: shapes.Shape) -> Tensor:
    return x if axes == tuple(range(len(axes))) else apply(TABLE["transpose"], x, axes=axes)


class _Picked(NamedTuple):
    """A selection by integer tensors: rows of `part`, with its indexed axes moved to the front.

    `order` has the axes of `part` with the indexed ones first; the axes of the index start at axis
    `at` of the result.
    """

    part: Tensor
    order: shapes.Shape
    linear: Tensor
    depth: int
    at: int

    def table(self, x: Tensor) -> Tensor:
        """`part`, or another value of its shape, as a table of rows."""
        front = _transposed(x, self.order)
        if self.depth == 1:
            return front
        rows = (shapes.size(front.shape[: self.depth]), *front.shape[self.depth :])
        return apply(TABLE["reshape"], front, shape=rows)

    def from_table(self, rows: Tensor) -> Tensor:
        """The inverse of `table`."""
        shape = tuple(self.part.shape[a] for a in self.order)
        front = rows if rows.shape == shape else apply(TABLE["reshape"], rows, shape=shape)
        return _transposed(front, tuple(self.order.index(a) for a in range(len(self.order))))

    @property
    def _turn(self) -> shapes.Shape:
        """The axes of (index…, rest…) in the order of the result."""
        rank, rest = len(self.linear.shape), len(self.order) - self.depth
        lead, behind = range(rank, rank + self.at), range(rank + self.at, rank + rest)
        return (*lead, *range(rank), *behind)

    def result(self, rows: Tensor) -> Tensor:
        """(index…, rest…) with the index's axes moved to `at`."""
        return apply(TABLE["transpose"], rows, axes=self._turn) if self.at else rows

    def rows(self, value: Tensor) -> Tensor:
        """A value, broadcast to the result's shape, as (index…, rest…)."""
        rest = tuple(self.part.shape[a] for a in self.order[self.depth :])
        shape = (*self.linear.shape, *rest)
        turn = self._turn
        wide = _fit(value, tuple(shape[a] for a in turn))
        back = tuple(turn.index(a) for a in range(len(turn)))
        return apply(TABLE["transpose"], wide, axes=back) if self.at else wide


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`."""
    axes = x.array_type.shape
    if type(index) is int and axes and not -axes[0] <= index < axes[0]:
        return slices.select(x, 0, index)  # raises
    key = literal_key(index)
    if key is not None:
        return _region(x, known_region(axes, key))
    if isinstance(index, Handle) and index.dtype is dtypes.int64 and index.shape and axes:
        rows = axes[0]
        return apply(
            TABLE["gather"], x, apply(TABLE["ravel_index"], index, sizes=(rows,), wrap=True)
        )
    x, entries = _scalars_first(x, entries_of(axes, index))
    if not any(isinstance(e, Handle) for e in entries):
        return _view(x, entries)
    return _gathered(_pick(x, entries))


def _gathered(found: _Picked) -> Tensor:
    return found.result(apply(TABLE["gather"], found.table(found.part), found.linear))


def _pick(x: Tensor, entries: list[Any]) -> _Picked:
    """The selection by an index that contains tensors."""
    views = [v for e in entries for v in _viewed(e)]
    part = x if all(isinstance(v, slice) and v == ALL for v in views) else _view(x, views)
    places: dict[int, Tensor] = {}
    axis = 0
    for e in entries:
        if isinstance(e, Handle):
            found = _integers(e, part.shape[axis : axis + max(len(e.shape), 1)])
            places.update(enumerate(found, axis))
            axis += len(found)
        elif not isinstance(e, (int, np.integer)):
            axis += 1
    axes = list(places)
    sizes = tuple(part.shape[a] for a in axes)
    linear = apply(
        TABLE["ravel_index"],
        *operands(*places.values(), dtype=dtypes.int64),
        sizes=sizes,
        wrap=True,
    )
    together = not axes or axes == list(range(axes[0], axes[0] + len(axes)))
    order = (*axes, *(a for a in range(len(part.shape)) if a not in places))
    return _Picked(part, order, linear, len(axes), axes[0] if together else 0)


def _viewed(e: Any) -> list[Any]:
    """The view that an entry selects from: all of its axes, or a new one for a single bool."""
    if not isinstance(e, Handle):
        return [e]
    return [slice(None)] * len(e.shape) or [None] if is_mask(e) else [slice(None)]


def _scalars_first(x: Tensor, entries: list[Any]) -> tuple[Tensor, list[Any]]:
    """Apply single integers before index arrays; in a trace they are 0-d tensors."""
    kept, axis = list[Any](), 0
    for e in entries:
        if isinstance(e, Handle) and not e.shape and not is_mask(e):
            x = _at_scalar(x, [*[slice(None)] * axis, e])
            continue
        kept.append(e)
        axis += axes_taken(e)
    return x, kept


def _at_scalar(x: Tensor, entries: list[Any]) -> Tensor:
    """The slice at an integer without a value yet: a view, as for a Python number."""

    def put(base: Any, new: Any) -> Tensor:
        return _scattered(_pick(base, _filled_up(base, entries)), new, "set")

    return layout.view_of(x, lambda base: _gathered(_pick(base, _filled_up(base, entries))), put)


def _filled_up(x: Handle, entries: list[Any]) -> list[Any]:
    return [*entries, *[slice(None)] * (len(x.shape) - len(entries))]


def _is_unknown(mask: Handle) -> bool:
    """Whether `x` is a symbol of a trace that has no values."""
    trace = modes.trace
    return trace is not None and not trace.has_values and trace.symbol_of(mask) is not None


def _integers(e: Handle, axes: shapes.Shape) -> list[Tensor]:
    """An index tensor unchanged; a mask as the indices of its true elements along each axis."""
    if not is_mask(e):
        return [cast(e, dtypes.int64)]
    if _is_unknown(e):
        raise TraceError(
            f"x[mask] at {caller()} has a shape that depends on values, which a compiled function "
            "cannot have\n  use cr.where(mask, x, 0.0), or multiply by the mask"
        )
    mask = e._concrete("x[mask]")
    if not mask.ndim:
        return [wrap(np.zeros(int(mask), np.int64))]
    if mask.shape != axes:
        raise IndexBoundsError(f"a mask of shape {mask.shape} indexes axes of sizes {axes}")
    return [wrap(np.ascontiguousarray(i)) for i in np.nonzero(mask)]


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: rebinds x, and writes through if x is a view."""
    dtype, axes = x.array_type
    new = single(value, dtype)
    key = literal_key(index)
    if key is not None:
        _write_region(x, known_region(axes, key), new)
        return
    x, entries = _scalars_first(x, entries_of(axes, index))
    if not any(isinstance(e, Handle) for e in entries):
        _write_region(x, region_of(x.array_type.shape, entries), new)
        return
    choice = _chosen_by_mask(x, entries, new, "set")
    if choice is not None:
        x._write(choice)
        return
    found = _pick(x, entries)
    found.part._write(_scattered(found, new, "set"))


def _write_region(x: Tensor, region: Region, new: Tensor) -> None:
    _, put, _ = _onto(x.array_type.shape, region)
    x._write(put(x, _fit(new, region.shape)))


def _summable(dtype: dtypes.DType) -> dtypes.DType:
    """The dtype of a sum: bools are counted."""
    return dtypes.int64 if dtype is dtypes.bool_ else dtype


def _scattered(found: _Picked, new: Tensor, how: str) -> Tensor:
    """The part with `new` written to (or added to) its selected rows."""
    table, rows = found.table(found.part), found.rows(new)
    if how == "add":
        kind = _summable(table.dtype)
        sums = apply(TABLE["scatter_add"], cast(rows, kind), found.linear, rows=table.shape[0])
        total = apply(TABLE["add"], cast(table, kind), sums)
        return found.from_table(cast(total, table.dtype))
    return found.from_table(apply(TABLE["scatter"], table, rows, found.linear, how="set"))


def _chosen_by_mask(x: Tensor, entries: list[Any], new: Tensor, how: str) -> Tensor | None:
    """x[mask] = v (or += v) as a `where`, if v is one value or the mask has none yet."""
    mask = entries[0]
    if not is_mask(mask) or any(not isinstance(e, slice) or e != ALL for e in entries[1:]):
        return None
    rank = len(mask.shape)
    while new.shape[:1] == (1,) and len(new.shape) > len(x.shape) - rank:
        new = apply(TABLE["reshape"], new, shape=new.shape[1:])
    if mask.shape != x.shape[:rank]:
        return None
    if len(new.shape) > len(x.shape) - rank:
        if not rank or len(new.shape) != len(x.shape) - rank + 1 or not _is_unknown(mask):
            return None
        new = expand(new, (new.shape[0], *x.shape[rank:]))
        new = spread(mask, new, exact=True)
    over = apply(TABLE["reshape"], mask, shape=(*mask.shape, *(1,) * (len(x.shape) - rank)))
    wide = expand(new, x.shape)
    if how == "add":
        total = apply(TABLE["add"], *operands(x, wide, dtype=_summable(x.dtype)))
        wide = cast(total, x.dtype)
    return apply(TABLE["where"], expand(over, x.shape), wide, x)


def _fit(new: Tensor, shape: shapes.Shape) -> Tensor:
    if new.array_type.shape == shape:
        return new
    while len(new.shape) > len(shape) and new.shape[0] == 1:
        new = apply(TABLE["reshape"], new, shape=new.shape[1:])
    return expand(new, shape)


@of_kinds
def index_put(
    input: Tensor, indices: Sequence[Any], values: Any, accumulate: bool = False
) -> Tensor:
    """`input` with `values` written to the elements that the index tensors select.

    For an element selected twice the last value stays, or all are added if `accumulate`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html
    """
    if isinstance(values, Handle) and values.dtype is not input.dtype:
        raise DTypeError(
            f"index_put needs equal dtypes, not {values.dtype} into {input.dtype}: convert one"
        )
    new = as_tensor(values, input.dtype)
    if not indices:
        raise ArgumentError("index_put needs at least one index tensor")
    how = "add" if accumulate else "set"
    entries = entries_of(input.array_type.shape, tuple(indices))
    choice = _chosen_by_mask(input, entries, new, how)
    if choice is not None:
        return choice
    out = _scattered(_pick(input, entries), new, how)
    return out if out.shape == input.shape else apply(TABLE["reshape"], out, shape=input.shape)
