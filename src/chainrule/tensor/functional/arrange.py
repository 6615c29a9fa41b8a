"""Repeating, rolling, turning, windows and grids: elements in another order, some several times.

All are compositions of reshape, slice, concat and broadcast. Example: `roll(x, 1, 0)` moves the
last row to the front. Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, AxisError, IndexKindError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, own
from chainrule.tensor.convert import expand as expand_to
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import layout
from chainrule.tensor.functional.forms import also_named, of_kinds, with_numpy_names
from chainrule.tensor.functional.layout import flat_sizes
from chainrule.tensor.handle import Handle
from chainrule.tensor.memory import refuse_overlap

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "cartesian_prod",
    "combinations",
    "fliplr",
    "flipud",
    "meshgrid",
    "moveaxis",
    "movedim",
    "ravel",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "unflatten",
]

Axes = int | Sequence[int]


def _listed(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(axes)


def movedim(input: Operand, source: Axes, destination: Axes) -> Tensor:
    """The axes `source` at the positions `destination`; the others keep their order."""
    x = as_tensor(input)
    rank = len(x.shape)
    taken = [shapes.normal_axis(d, rank) for d in _listed(source)]
    places = [shapes.normal_axis(d, rank) for d in _listed(destination)]
    if len(taken) != len(places) or len(set(taken)) != len(set(places)) or rank == 0:
        if rank == 0 and len(taken) == len(places):
            return x
        raise ShapeError(f"movedim of axes {taken} to {places}: as many distinct ones on each side")
    order: list[int] = [axis for axis in range(rank) if axis not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return layout.permute(x, order)


moveaxis = movedim


@with_numpy_names
def unflatten(input: Operand, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the axis `dim` into axes of `sizes`; one size may be -1."""
    x = as_tensor(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    parts = shapes.fill_unknown(tuple(sizes), x.shape[axis])
    return layout.reshape(x, (*x.shape[:axis], *parts, *x.shape[axis + 1 :]))


def ravel(input: Operand) -> Tensor:
    """All elements as a vector in row-major order."""
    return layout.reshape(input, (-1,))


@also_named("size")
def broadcast_to(input: Operand, *size: Any) -> Tensor:
    """The input repeated along axes of size 1 (and new leading ones) to `size`: a view."""
    return layout.expand(input, *size)


def broadcast_shapes(*shapes_: Any) -> shapes.Shape:
    """The shape to which all of the given ones broadcast."""
    listed = [layout.flat_sizes([s]) if s != () else () for s in shapes_]
    if any(n < 0 for sizes in listed for n in sizes):
        raise ArgumentError(f"broadcast_shapes: sizes are not negative, as in {shapes_}")
    return shapes.broadcast(*listed)


def broadcast_tensors(*tensors: Operand) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    parts = [as_tensor(t) for t in _sequence(tensors)]
    shape = shapes.broadcast(*[p.shape for p in parts])
    return tuple(p if p.shape == shape else layout.expand(p, shape) for p in parts)


def _sequence(tensors: tuple[Any, ...]) -> Sequence[Any]:
    """`f(a, b)` and `f([a, b])` mean the same."""
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


@also_named("repeats")
def repeat(input: Operand, *sizes: Any) -> Tensor:
    """Copies laid side by side, `sizes` of them along each axis; new axes come first."""
    x = as_tensor(input)
    times = flat_sizes(sizes)
    lead = len(times) - len(x.shape)
    if lead < 0 or any(n < 0 for n in times):
        raise ShapeError(f"repeat of shape {x.shape} needs a number ≥ 0 for each axis, not {times}")
    shape = (1,) * lead + x.shape
    apart = tuple(v for n in shape for v in (1, n))
    wide = tuple(v for m, n in zip(times, shape, strict=True) for v in (m, n))
    out = expand_to(apply(TABLE["reshape"], x, shape=apart), wide)
    whole = tuple(m * n for m, n in zip(times, shape, strict=True))
    return apply(TABLE["reshape"], out, shape=whole)


@also_named("dims")
def tile(input: Operand, *dims: Any) -> Tensor:
    """As `repeat`, where missing leading numbers are 1."""
    x, times = as_tensor(input), flat_sizes(dims)
    return repeat(x, (1,) * (len(x.shape) - len(times)) + times)


@with_numpy_names
def repeat_interleave(
    input: Operand,
    repeats: Operand = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each slice along `dim` (element, for None) `repeats` times in a row.

    `repeats` may count for each slice: its values decide the shape then (eager only), unless it is
    one number. With one argument that holds counts: i, counts[i] times, for each i.
    """
    if repeats is None:
        counts = as_tensor(input)
        return repeat_interleave(
            wrap(np.arange(counts.shape[0])), counts, 0, output_size=output_size
        )
    x = as_tensor(input)
    x, axis = (x, shapes.normal_axis(dim, len(x.shape))) if dim is not None else (ravel(x), 0)
    n = x.shape[axis]
    times = repeats
    if isinstance(repeats, Handle) or not isinstance(repeats, int):
        given = as_tensor(repeats)
        if given.dtype.kind != "int":
            raise IndexKindError(f"repeat_interleave: counts are integers, not {given.dtype}")
        counted = given._concrete("repeat_interleave with counts in a tensor")
        if counted.size != 1:
            if counted.shape != (n,):
                raise ShapeError(f"repeat_interleave of {n} slices needs {n} counts, not {counted}")
            index = wrap(np.repeat(np.arange(n, dtype=np.int64), counted))
            return _taken(x, axis, index)
        times = int(counted.reshape(()))
    if times < 0:
        raise ArgumentError(f"repeats must not be negative: {times}")
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    wide = apply(TABLE["reshape"], x, shape=(*before, n, 1, *after))
    wide = expand_to(wide, (*before, n, times, *after))
    return apply(TABLE["reshape"], wide, shape=(*before, n * times, *after))


def _taken(x: Tensor, axis: int, index: Handle) -> Tensor:
    """The slices of x along `axis` at `index`, whose axes stand in the place of `axis`."""
    rows = apply(TABLE["gather"], apply(TABLE["transpose"], x, axes=_front(x, axis)), index)
    rank = len(index.shape)
    order = (*range(rank, rank + axis), *range(rank), *range(rank + axis, len(rows.shape)))
    return apply(TABLE["transpose"], rows, axes=order)


def _front(x: Handle, axis: int) -> tuple[int, ...]:
    return (axis, *(i for i in range(len(x.shape)) if i != axis))


@of_kinds
def unfold(input: Operand, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements along an axis, `step` apart: a new last axis holds a window.

    A view; windows that overlap can be read but not written.
    """
    x = as_tensor(input)
    axis = shapes.normal_axis(dimension, len(x.shape))
    if not x.shape:
        vector = layout.reshape(x, (1,))
        return layout.reshape(unfold(vector, 0, size, step), (size,))
    n = x.shape[axis]
    if size < 0 or step <= 0 or size > n:
        raise ArgumentError(f"unfold of {n} elements needs 0 ≤ size ≤ {n} and step > 0, "
                            f"not size {size} and step {step}")  # fmt: skip
    count = (n - size) // step + 1
    if size == step:
        whole = layout.narrow(x, axis, 0, count * step)
        return movedim(unflatten(whole, axis, (count, size)), axis + 1, -1)
    if not size:
        shape = (*(count if i == axis else n for i, n in enumerate(x.shape)), 0)
        return layout.reshape(layout.narrow(x, axis, 0, 0), shape)

    def get(base: Handle) -> Tensor:
        return apply(
            TABLE["windows"], base, axes=(axis,), size=(size,), step=(step,), dilation=(1,)
        )

    def move(at: shapes.View) -> shapes.View:
        between = at.strides[axis]
        sizes = (*(count if i == axis else n for i, n in enumerate(at.shape)), size)
        strides = (*(s * step if i == axis else s for i, s in enumerate(at.strides)), between)
        return shapes.View(sizes, strides, at.offset)

    return layout.view_of(x, get, refuse_overlap, move)


def roll(input: Operand, shifts: Axes, dims: Axes | None = None) -> Tensor:
    """Move elements on by `shifts` along `dims`; those that leave at the end come in in front.

    Without `dims` the tensor is rolled as a vector and keeps its shape.
    """
    x = as_tensor(input)
    if dims is None:
        flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
        return apply(TABLE["reshape"], roll(flat, shifts, 0), shape=x.shape)
    moves, axes = flat_sizes([shifts]), flat_sizes([dims])
    if len(moves) != len(axes):
        raise ShapeError(f"roll needs a shift for each axis, not {moves} for axes {axes}")
    for move, axis in zip(moves, axes, strict=True):
        if not x.shape:
            raise AxisError("roll along an axis of a scalar, which has none")
        a = shapes.normal_axis(axis, len(x.shape))
        n = x.shape[a]
        by = move % n if n else 0
        if by:
            x = layout.cat([layout.narrow(x, a, n - by, by), layout.narrow(x, a, 0, n - by)], a)
    return own(x) if x is input else x


def fliplr(input: Operand) -> Tensor:
    """Columns in reverse order."""
    return layout.flip(_at_least(input, 2, "fliplr"), 1)


def flipud(input: Operand) -> Tensor:
    """Rows in reverse order."""
    return layout.flip(_at_least(input, 1, "flipud"), 0)


def _at_least(input: Operand, rank: int, name: str) -> Tensor:
    x = as_tensor(input)
    if len(x.shape) < rank:
        raise ShapeError(f"{name} needs at least {rank} axes, not shape {x.shape}")
    return x


@of_kinds
def rot90(input: Operand, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of two axes, from the first towards the second."""
    x = _at_least(input, 2, "rot90")
    if len(dims) != 2:
        raise ShapeError(f"rot90 turns in the plane of two axes, not of {tuple(dims)}")
    first, second = (shapes.normal_axis(d, len(x.shape)) for d in dims)
    if first == second:
        raise ShapeError(f"rot90 turns in the plane of two different axes, not {tuple(dims)}")
    turns = k % 4
    if turns == 2:
        return layout.flip(x, (first, second))
    if turns == 1:
        return own(layout.transpose(layout.flip(x, second), first, second))
    if turns == 3:
        return layout.flip(layout.transpose(x, first, second), second)
    return own(x)


@of_kinds
def meshgrid(*tensors: Operand, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Vectors as coordinate grids of shape (len(t₀), len(t₁), …).

    `indexing="xy"` exchanges the first two axes; "ij" is the default.
    """
    given = [as_tensor(t) for t in _sequence(tensors)]
    if not given or any(len(t.shape) > 1 for t in given):
        raise ShapeError(f"meshgrid takes vectors, not shapes {[t.shape for t in given]}")
    parts = [layout.reshape(t, (-1,)) for t in given]
    chosen = indexing or "ij"
    if chosen not in {"ij", "xy"}:
        raise ArgumentError(f"meshgrid indexes by 'ij' or 'xy', not {indexing!r}")
    order = list(range(len(parts)))
    if chosen == "xy" and len(parts) > 1:
        order[:2] = [1, 0]
    shape = tuple(parts[i].shape[0] for i in order)
    out = []
    for i, part in enumerate(parts):
        alone = tuple(part.shape[0] if order[k] == i else 1 for k in range(len(parts)))
        out.append(layout.expand(layout.reshape(part, alone), shape))
    return tuple(out)


def cartesian_prod(*tensors: Operand) -> Tensor:
    """All tuples with one element of each vector, as rows in lexicographic order."""
    parts = [as_tensor(t) for t in _sequence(tensors)]
    if any(len(t.shape) != 1 for t in parts):
        raise ShapeError(f"cartesian_prod takes vectors, not shapes {[t.shape for t in parts]}")
    if len(parts) == 1:
        return parts[0]
    columns = [layout.reshape(grid, (-1, 1)) for grid in meshgrid(*parts)]
    return layout.cat(columns, 1)


@of_kinds
def combinations(input: Operand, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, in lexicographic order of their places."""
    x = as_tensor(input)
    if len(x.shape) != 1 or r < 0:
        raise ShapeError(f"combinations needs a vector and r ≥ 0, not shape {x.shape} and {r}")
    n, lists = x.shape[0], np.zeros((1, 0), np.int64)
    for _ in range(r):  # each list grows by every place that may follow its last
        step = 0 if with_replacement else 1
        first = lists[:, -1] + step if lists.shape[1] else np.zeros(1, np.int64)
        rows = np.repeat(lists, n - first, axis=0)
        following = [np.arange(f, n) for f in first]
        lists = np.column_stack([rows, np.concatenate([*following, np.zeros(0, np.int64)])])
    if not r:
        return wrap(np.zeros(0, x.dtype.numpy))
    return apply(TABLE["gather"], x, wrap(lists.astype(np.int64)))


def _padded(rank: int) -> Callable[..., Any]:
    def one(input: Operand) -> Tensor:
        x = as_tensor(input)
        missing = rank - len(x.shape)
        if missing <= 0:
            return x
        if rank == 3 and missing < 3:  # a vector lies in the middle, a matrix in front
            return layout.reshape(x, (*(1,) * (missing - 1), *x.shape, 1))
        return layout.reshape(x, (1,) * missing + x.shape)

    def function(*tensors: Operand) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
            return one(tensors[0])
        return tuple(one(t) for t in _sequence(tensors))

    function.__name__ = function.__qualname__ = f"atleast_{rank}d"
    function.__doc__ = f"Axes of size 1 added until there are {rank}; of several, a tuple."
    return function


atleast_1d, atleast_2d, atleast_3d = map(_padded, (1, 2, 3))


@of_kinds
def expand_as(input: Operand, other: Handle) -> Tensor:
    """The input repeated to the shape of `other`."""
    return layout.expand(input, other.shape)


@of_kinds
def view_as(input: Operand, other: Handle) -> Tensor:
    """The same elements under the shape of `other`."""
    return layout.reshape(input, other.shape)
