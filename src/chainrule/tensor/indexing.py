"""Reading and writing by index: PyTorch's rules for `x[…]` and `x[…] = v`.

Integers, slices, None and `...` give views; integer tensors gather; bool masks need values and
are eager only. Writing rebinds the handle (or the base of a view). Example: `x[:, -1, None]`.
Source: https://numpy.org/doc/stable/user/basics.indexing.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import IndexBoundsError, ShapeError, TraceError
from chainrule.base.source import caller
from chainrule.ops import TABLE
from chainrule.tensor.convert import as_tensor, cast, expand, operands, tensor
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import layout, pointwise
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class _Basic(NamedTuple):
    """The strided region that integers and slices name, and the result's shape."""

    start: shapes.Shape
    step: shapes.Shape
    region: shapes.Shape
    shape: shapes.Shape


def _entries(x: Handle, index: Any) -> list[Any]:
    """The index as a list with one entry per axis of x, and None for each new axis."""
    given = list(index) if isinstance(index, tuple) else [index]
    given = [_entry(e) for e in given]
    used = sum(_consumes(e) for e in given)
    rank = len(x.shape)
    if used > rank:
        raise ShapeError(f"too many indices: {used} for a tensor of shape {x.shape}")
    dots = [i for i, e in enumerate(given) if e is Ellipsis]
    if len(dots) > 1:
        raise ShapeError("an index can have only one ellipsis ('...')")
    at = dots[0] if dots else len(given)
    return [*given[:at], *[slice(None)] * (rank - used), *given[at + bool(dots) :]]


def _entry(e: Any) -> Any:
    if isinstance(e, (bool, np.bool_)):
        return tensor(bool(e))
    if isinstance(e, (int, np.integer)) or e is None or e is Ellipsis or isinstance(e, slice):
        return e
    if isinstance(e, Handle):
        if not e.shape and e.dtype.kind == "int" and e._value is not None and modes.trace is None:
            return int(e._value)
        return e
    return tensor(e if np.asarray(e).size else np.asarray(e, np.int64))


def _consumes(e: Any) -> int:
    if e is None or e is Ellipsis:
        return 0
    if isinstance(e, Handle) and e.dtype is dtypes.bool_:
        return len(e.shape)
    return 1


def _whole(value: Any) -> int | None:
    if isinstance(value, Handle):
        return int(value._concrete("a slice bound"))
    return None if value is None else int(value)


def _basic(x: Handle, entries: list[Any]) -> _Basic:
    start, step, region, shape = [], [], [], []
    axis = 0
    for e in entries:
        if e is None:
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(e, slice):
            bounds = slice(_whole(e.start), _whole(e.stop), _whole(e.step))
            a, _, s = bounds.indices(n)
            count = len(range(*bounds.indices(n)))
            shape.append(count)
        else:
            if not -n <= e < n:
                raise IndexBoundsError(f"index {e} is outside axis {axis}, which has size {n}")
            a, s, count = int(e) % n, 1, 1
        start.append(a if count else 0)
        step.append(s)
        region.append(count)
        axis += 1
    return _Basic(tuple(start), tuple(step), tuple(region), tuple(shape))


def _view(x: Handle, entries: list[Any]) -> Tensor:
    b = _basic(x, entries)
    out: Any = x
    if b.region != x.shape or any(s != 1 for s in b.step):
        out = layout.slice_view(x, b.start, b.step, b.region)
    return layout.reshape(out, b.shape) if b.shape != b.region or out is x else out


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`."""
    entries = _entries(x, index)
    if not any(isinstance(e, Handle) for e in entries):
        return _view(x, entries)
    base, axes, linear = _advanced(x, entries)
    rows = apply(TABLE["gather"], base, linear)
    return _put_axes_back(rows, axes, len(linear.shape))


def _advanced(x: Tensor, entries: list[Any]) -> tuple[Tensor, list[int], Tensor]:
    """x with its indexed axes merged in front, where they were, and the linear index into them."""
    entries = _masks_to_integers(entries)
    x = _view(x, [slice(None) if isinstance(e, Handle) else e for e in entries])
    kept = [e for e in entries if e is None or isinstance(e, (slice, Handle))]
    axes = [i for i, e in enumerate(kept) if isinstance(e, Handle)]
    parts = [cast(e, dtypes.int64) for e in kept if isinstance(e, Handle)]
    sizes = [x.shape[a] for a in axes]
    linear: Any = None
    for part, n in zip(operands(*parts), sizes, strict=True):
        wrapped = pointwise.where(pointwise.lt(part, 0), pointwise.add(part, n), part)
        _check_range(part, n)
        if linear is not None:
            wrapped = pointwise.add(pointwise.mul(linear, n), wrapped)
        linear = wrapped
    rest = [i for i in range(len(x.shape)) if i not in axes]
    front = apply(TABLE["transpose"], x, axes=(*axes, *rest))
    merged = (shapes.size(sizes), *(x.shape[i] for i in rest))
    return apply(TABLE["reshape"], front, shape=merged), axes, linear


def _check_range(index: Tensor, n: int) -> None:
    if index._value is None or modes.trace is not None:
        return  # a compiled gather checks its bounds itself
    value = index._value
    if value.size and (value.min() < -n or value.max() >= n):
        bad = value[(value < -n) | (value >= n)].flat[0]
        raise IndexBoundsError(f"index {int(bad)} is outside an axis of size {n}")


def _masks_to_integers(entries: list[Any]) -> list[Any]:
    out: list[Any] = []
    for e in entries:
        if isinstance(e, Handle) and e.dtype is dtypes.bool_:
            if modes.trace is not None:
                raise TraceError(
                    f"x[mask] at {caller()} has a shape that depends on values, which a compiled "
                    "function cannot "
                    "have; use cr.where(mask, x, 0.0) or multiply by the mask"
                )
            out.extend(wrap(np.asarray(i)) for i in np.nonzero(e._concrete("x[mask]")))
        else:
            out.append(e)
    return out


def _put_axes_back(rows: Tensor, axes: list[int], rank: int) -> Tensor:
    """Adjacent index axes: the result's index axes stand where they were; else in front."""
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    first = axes[0] if together else 0
    if first == 0:
        return rows
    order = (*range(rank, rank + first), *range(rank), *range(rank + first, len(rows.shape)))
    return apply(TABLE["transpose"], rows, axes=order)


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: rebinds x, and writes through if x is a view."""
    mask = index if isinstance(index, Handle) else None
    new = cast(as_tensor(value), x.dtype)
    if mask is not None and mask.dtype is dtypes.bool_ and not new.shape:
        x._write(layout.masked_fill(x, _over(mask, x), new))
        return
    entries = _entries(x, index)
    if not any(isinstance(e, Handle) for e in entries):
        part = _view(x, entries)
        part._write(_fit(new, part.shape))
        return
    _assign_rows(x, entries, new)


def _over(mask: Handle, x: Handle) -> Tensor:
    """A mask over leading axes, with size-1 axes for the rest."""
    extra = len(x.shape) - len(mask.shape)
    return apply(TABLE["reshape"], mask, shape=(*mask.shape, *(1,) * extra))


def _fit(new: Tensor, shape: shapes.Shape) -> Tensor:
    while len(new.shape) > len(shape) and new.shape[0] == 1:
        new = apply(TABLE["reshape"], new, shape=new.shape[1:])
    return expand(new, shape)


def _assign_rows(x: Tensor, entries: list[Any], new: Tensor) -> None:
    """Integer-array assignment: where an index repeats, its last value stays."""
    numbers = apply(
        TABLE["reshape"],
        apply(TABLE["iota"], dtype=dtypes.int64, shape=(x.type.size,), axis=0),
        shape=x.shape,
    )
    places = getitem(numbers, tuple(entries))._concrete("x[index] = value")
    values = _fit(new, places.shape)
    flat = places.reshape(-1)
    last = {int(place): i for i, place in enumerate(flat)}
    order = np.fromiter(last.values(), np.int64, len(last))
    where = wrap(np.fromiter(last.keys(), np.int64, len(last)))
    chosen = apply(
        TABLE["gather"], apply(TABLE["reshape"], values, shape=(flat.size,)), wrap(order)
    )
    laid = apply(TABLE["scatter_add"], chosen, where, rows=x.type.size)
    mask = np.zeros(x.type.size, bool)
    mask[list(last)] = True
    laid = apply(TABLE["reshape"], laid, shape=x.shape)
    x._write(pointwise.where(wrap(mask.reshape(x.shape)), laid, x))
