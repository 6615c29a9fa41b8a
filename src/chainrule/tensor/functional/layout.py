"""The order of elements: view, reshape, transpose and their kin. Most return views.

A view is a lens onto its base: writing through it rebinds the base, see `tensor/handle.py`.
Example: `x.view(-1)[3] = 0.0`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes, shapes
from chainrule.base.errors import DTypeError, KindError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply
from chainrule.tensor.fast_path import fixed
from chainrule.tensor.functional.forms import also_called, also_named, of_kinds, with_numpy_names
from chainrule.tensor.handle import Handle, Lens
from chainrule.tensor.memory import memory

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "flatten", "moveaxis", "movedim",
    "permute", "ravel", "reshape", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten",
    "unsqueeze",
]  # fmt: skip

Get = Callable[[Any], "Tensor"]
Put = Callable[[Any, Any], "Tensor"]
Move = Callable[[shapes.View], shapes.View]
Optics = tuple[Get, Put, Move]  # of a lens: made once for each kind of view
MOST_OPTICS = 1 << 12


def view_of(
    base: Handle, get: Get, put: Put, move: Move | None = None, *, detaches: bool = False
) -> Tensor:
    """A view of `base` through a lens; `move` gives its strides (`tensor.memory`)."""
    root = base
    if base._lens is not None:
        base._sync()
        root = base._lens.root
    out = get(base)
    if out is base:
        out = apply(TABLE["reshape"], base, shape=base.shape)
    out._lens = Lens(base, root, get, put, move, detaches)
    out._seen = root._version
    return out


def flat_sizes(sizes: Sequence[Any]) -> Shape:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    try:
        if len(sizes) == 1 and not isinstance(sizes[0], int) and getattr(sizes[0], "ndim", True):
            sizes = tuple(sizes[0])
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise KindError(
            f"sizes and axes must be integers, not {tuple(sizes)}\n  use // for a quotient"
        ) from None


@lru_cache(MOST_OPTICS)
def _fitting(old: Shape, new: Shape) -> Shape:
    """`new` with -1 filled in; an error names the first axis that does not fit."""
    try:
        return shapes.fill_unknown(new, shapes.size(old))
    except ShapeError as error:
        same = 0
        while same < min(len(old), len(new)) and old[same] == new[same]:
            same += 1
        if not same or same == len(new) or min(new[same:]) < 0:
            raise ShapeError(f"{old} does not reshape to {new}: {error}") from None
        raise ShapeError(
            f"{old} does not reshape to {new}: after {old[:same]} there are "
            f"{shapes.times(old[same:])} elements, not {shapes.times(new[same:])}",
            axis=same if same == len(old) - 1 else None,
        ) from None


@also_named("shape")
def reshape(input: Operand, *shape: Any) -> Tensor:
    """The same elements in row-major order under another shape; one size may be -1.

    A view; of a view whose strides do not fit the shape, a copy.
    """
    x = as_tensor(input)
    target = _fitting(x.array_type.shape, flat_sizes(shape))
    if x._lens is not None and memory(x).reshape(target) is None:
        return apply(TABLE["reshape"], x, shape=target)
    return renumbered(x, target)


def renumbered(x: Handle, target: Shape) -> Tensor:
    """A view of all elements under the shape `target`."""
    return view_of(x, *renumbering(target))


@lru_cache(MOST_OPTICS)
def renumbering(target: Shape) -> Optics:
    """The lens onto all elements under the shape `target`."""
    return (
        fixed(TABLE["reshape"], shape=target),
        lambda base, new: apply(TABLE["reshape"], new, shape=base.shape),
        lambda at: at.reshape(target) or at.whole(target),
    )


@also_named("size")
def view(input: Operand, *shape: Any) -> Tensor:
    """As `reshape`, and always a view; reading the bytes under another dtype is refused."""
    if len(shape) == 1 and isinstance(shape[0], dtypes.DType):
        raise DTypeError(
            f"view({shape[0]}) reads bytes under another dtype, which values do not have: "
            "use x.to(dtype) to convert them"
        )
    x = as_tensor(input)
    return renumbered(x, _fitting(x.array_type.shape, flat_sizes(shape)))


@of_kinds
def flatten(input: Operand, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from start_dim to end_dim into one."""
    x = as_tensor(input)
    rank = len(x.shape)
    first, last = shapes.normal_axis(start_dim, rank), shapes.normal_axis(end_dim, rank)
    if first > last:
        raise ShapeError(
            f"flatten from axis {first} to {last}: start_dim must not lie behind end_dim"
        )
    if first == last and rank:
        return x
    merged = shapes.size(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


@also_named("dims")
def permute(input: Operand, *dims: Any) -> Tensor:
    """Reorder the axes."""
    x = as_tensor(input)
    rank = len(x.array_type.shape)
    return view_of(x, *_reordering(tuple([shapes.normal_axis(d, rank) for d in flat_sizes(dims)])))


@lru_cache(MOST_OPTICS)
def _reordering(axes: Shape) -> Optics:
    back = axes
    if len(set(axes)) == len(axes):
        back = tuple([axes.index(i) for i in range(len(axes))])
    return (
        fixed(TABLE["transpose"], axes=axes),
        lambda _, new: apply(TABLE["transpose"], new, axes=back),
        lambda at: at.transpose(axes),
    )


@lru_cache(MOST_OPTICS)
def _exchanging(rank: int, a: int, b: int) -> Optics:
    order = list(range(rank))
    if order:
        order[a], order[b] = order[b], order[a]
    return _reordering(tuple(order))


def transpose(input: Operand, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes."""
    x = as_tensor(input)
    rank = len(x.array_type.shape)
    a, b = shapes.normal_axis(dim0, rank), shapes.normal_axis(dim1, rank)
    return view_of(x, *_exchanging(rank, a, b))


swapdims = transpose


@with_numpy_names
@also_called(axis0="dim0", axis1="dim1")
def swapaxes(input: Operand, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes, which may be called axis0 and axis1."""
    return transpose(input, dim0, dim1)


def t(input: Operand) -> Tensor:
    """The transpose of a matrix; vectors and scalars as they are: always a view."""
    x = as_tensor(input)
    if len(x.shape) > 2:
        raise ShapeError(f"t() needs at most 2 axes, not shape {x.shape}; use transpose(d0, d1)")
    return transpose(x, 0, 1) if len(x.shape) == 2 else renumbered(x, x.shape)


@with_numpy_names
def unsqueeze(input: Operand, dim: int) -> Tensor:
    """Insert an axis of size 1 before position `dim`."""
    x = as_tensor(input)
    shape = x.array_type.shape
    return renumbered(x, with_axis(shape, shapes.normal_axis(dim, len(shape), extra=1)))


@lru_cache(MOST_OPTICS)
def with_axis(shape: Shape, at: int) -> Shape:
    """`shape` with an axis of size 1 at position `at`."""
    return (*shape[:at], 1, *shape[at:])


@with_numpy_names
def squeeze(input: Operand, dim: int | Sequence[int] | None = None) -> Tensor:
    """Remove axes of size 1 (all, or those named)."""
    x = as_tensor(input)
    axes = shapes.normal_axes(dim, len(x.shape))
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if not (n == 1 and i in axes)))


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
        raise ShapeError(
            f"movedim needs as many distinct axes on each side, not {taken} to {places}"
        )
    order: list[int] = [axis for axis in range(rank) if axis not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return permute(x, order)


moveaxis = movedim


@with_numpy_names
def unflatten(input: Operand, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the axis `dim` into axes of `sizes`; one size may be -1."""
    x = as_tensor(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    parts = shapes.fill_unknown(tuple(sizes), x.shape[axis])
    return reshape(x, (*x.shape[:axis], *parts, *x.shape[axis + 1 :]))


def ravel(input: Operand) -> Tensor:
    """All elements as a vector in row-major order."""
    return reshape(input, (-1,))


def listed(tensors: tuple[Any, ...]) -> Sequence[Any]:
    """`f(a, b)` and `f([a, b])` mean the same."""
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


def _padded(rank: int) -> Callable[..., Any]:
    def one(input: Operand) -> Tensor:
        x = as_tensor(input)
        missing = rank - len(x.shape)
        if missing <= 0:
            return x
        if rank == 3 and missing < 3:  # a vector lies in the middle, a matrix in front
            return reshape(x, (*(1,) * (missing - 1), *x.shape, 1))
        return reshape(x, (1,) * missing + x.shape)

    def function(*tensors: Operand) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
            return one(tensors[0])
        return tuple(one(t) for t in listed(tensors))

    function.__name__ = function.__qualname__ = f"atleast_{rank}d"
    function.__doc__ = f"Axes of size 1 added until there are {rank}; of several, a tuple."
    return function


atleast_1d, atleast_2d, atleast_3d = map(_padded, (1, 2, 3))


@of_kinds
def view_as(input: Operand, other: Handle) -> Tensor:
    """The same elements under the shape of `other`."""
    return reshape(input, other.shape)


def adjoint(input: Operand) -> Tensor:
    """The last two axes exchanged (numbers are real)."""
    return transpose(input, -2, -1)


def resized(x: Tensor, shape: shapes.Shape) -> Tensor:
    """The first elements of x under another shape; zeros where there are not enough."""
    old, new = x.array_type.size, shapes.size(shape)
    flat = apply(TABLE["reshape"], x, shape=(old,))
    if new > old:
        flat = apply(TABLE["pad"], flat, start=(0,), step=(1,), shape=(new,))
    elif new < old:
        flat = apply(TABLE["slice"], flat, start=(0,), step=(1,), shape=(new,))
    return apply(TABLE["reshape"], flat, shape=shape)


def axis_last(x: Handle, axis: int) -> Tensor:
    """`x` with `axis` moved to the end."""
    order = (*(i for i in range(len(x.shape)) if i != axis), axis)
    return apply(TABLE["transpose"], x, axes=order)


def axis_back(x: Handle, axis: int) -> Tensor:
    """The last axis moved to position `axis`: undoes `axis_last`."""
    last = len(x.shape) - 1
    order = (*range(axis), last, *range(axis, last))
    return apply(TABLE["transpose"], x, axes=order)
