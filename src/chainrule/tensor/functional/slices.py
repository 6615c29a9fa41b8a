"""Slices: parts of a tensor as views, the split family, and elements turned or rolled.

    narrow(x, 0, 2, 3)     rows 2, 3, 4                select(x, 0, 2)     row 2, without its axis
    split(x, 3)            pieces of 3 rows            roll(x, 1, 0)       the last row first

Example: `tensor_split(x, 3)` cuts into three. Source of the names:
https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, AxisError, DTypeError, IndexBoundsError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, own
from chainrule.tensor.dispatch import apply
from chainrule.tensor.fast_path import fixed
from chainrule.tensor.functional import layout
from chainrule.tensor.functional.creation import clone
from chainrule.tensor.functional.forms import (
    also_called,
    also_named,
    of_kinds,
    with_numpy_names,
    with_out,
)
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.layout import MOST_OPTICS, Axes, Optics, flat_sizes, view_of
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "chunk", "dsplit", "flip", "fliplr", "flipud", "hsplit", "narrow", "narrow_copy", "roll",
    "rot90", "select", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit",
]  # fmt: skip


def with_region(base: Handle, new: Handle, start: Shape, step: Shape) -> Tensor:
    """`base` with the elements of `new` in the strided region from `start`."""
    return apply(TABLE["overlay"], base, new, start=start, step=step)


def slice_view(
    x: Handle, start: Shape, step: Shape, shape: Shape, result: Shape | None = None
) -> Tensor:
    """A view of the strided region, of shape `result`; writing it pads the values into the base."""
    return view_of(x, *slicing(start, step, shape, shape if result is None else result))


@lru_cache(MOST_OPTICS)
def slicing(start: Shape, step: Shape, shape: Shape, seen: Shape) -> Optics:
    """The lens onto a strided region, which is seen under the shape `seen`."""
    get = region = fixed(TABLE["slice"], start=start, step=step, shape=shape)
    if seen != shape:
        renumber = fixed(TABLE["reshape"], shape=seen)

        def get(base: Any) -> Tensor:
            return renumber(region(base))

    def put(base: Any, new: Any) -> Tensor:
        if seen != shape:
            new = apply(TABLE["reshape"], new, shape=shape)
        return with_region(base, new, start, step)

    def move(at: shapes.View) -> shapes.View:
        part = at.slice(start, step, shape)
        return part.reshape(seen) or part.whole(seen)

    return get, put, move


@with_numpy_names
def narrow(input: Operand, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start`."""
    x = as_tensor(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        raise AxisError("narrow needs an axis, which a scalar does not have")
    if isinstance(start, Handle) and start.dtype.kind != "int":
        raise DTypeError(f"narrow needs an integer start, not a tensor of {start.dtype}")
    start, length = check_whole("narrow: start", start), check_whole("narrow: length", length)
    if not -x.shape[axis] <= start <= x.shape[axis]:
        raise IndexBoundsError(
            f"narrow starts at {start}, outside axis {axis} of size {x.shape[axis]}"
        )
    first = start + x.shape[axis] if start < 0 else start
    if not 0 <= first <= first + length <= x.shape[axis]:
        raise ShapeError(
            f"narrow takes {length} elements from {start} along axis {axis} of size {x.shape[axis]}"
        )
    starts = tuple(first if i == axis else 0 for i in range(len(x.shape)))
    shape = tuple(length if i == axis else n for i, n in enumerate(x.shape))
    return slice_view(x, starts, (1,) * len(shape), shape)


@with_numpy_names
def select(input: Operand, dim: int, index: int) -> Tensor:
    """The slice at `index` along `dim`, without that axis."""
    x = as_tensor(input)
    shape = x.array_type.shape
    axis = shapes.normal_axis(dim, len(shape))
    n = shape[axis] if shape else 0
    index = check_whole("select: index", index)
    if not -n <= index < n:
        raise IndexBoundsError(f"index {index} is outside axis {axis}, which has size {n}")
    before, after = shape[:axis], shape[axis + 1 :]
    start = (0,) * axis + (index % n,) + (0,) * len(after)
    return slice_view(x, start, (1,) * len(shape), (*before, 1, *after), before + after)


@with_numpy_names
@also_called(split_size="split_size_or_sections")
def split(
    tensor: Operand, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut along `dim` into pieces of a size, or of the given sizes."""
    x = as_tensor(tensor)
    axis = shapes.normal_axis(dim, len(x.shape))
    total = x.shape[axis]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step <= 0:
            raise ArgumentError(f"split needs a positive size, not {step}")
        sizes = [min(step, total - at) for at in range(0, total, step)] or [0]
    else:
        sizes = [check_whole("split: a size", n) for n in split_size_or_sections]
        if sum(sizes) != total:
            raise ShapeError(
                f"split sizes {sizes} add up to {sum(sizes)}, not to the axis size {total}"
            )
    return tuple([view_of(x, *lens) for lens in _cutting(tuple(x.shape), axis, tuple(sizes))])


@lru_cache(MOST_OPTICS)
def _cutting(shape: Shape, axis: int, sizes: Shape) -> list[Optics]:
    """The lenses onto pieces of these sizes along an axis."""
    before, after = shape[:axis], shape[axis + 1 :]
    made, at = [], 0
    for n in sizes:
        start, part = (*(0,) * axis, at, *(0,) * len(after)), (*before, n, *after)
        made.append(slicing(start, (1,) * len(shape), part, part))
        at += n
    return made


@with_numpy_names
def chunk(input: Operand, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut along `dim` into at most `chunks` pieces of equal size (the last may be smaller)."""
    x = as_tensor(input)
    chunks = check_whole("chunk: chunks", chunks, least=1)
    if not x.shape:
        raise AxisError("chunk needs an axis, which a scalar does not have")
    total = x.shape[shapes.normal_axis(dim, len(x.shape))]
    return split(x, max(-(-total // chunks), 1), dim)


@with_numpy_names
def unbind(input: Operand, dim: int = 0) -> tuple[Tensor, ...]:
    """Every slice along `dim`, without that axis."""
    x = as_tensor(input)
    if not x.shape:
        raise AxisError("unbind needs an axis, which a scalar does not have; x.item() is its value")
    return tuple(select(x, dim, i) for i in range(x.shape[shapes.normal_axis(dim, len(x.shape))]))


@also_named("dims")
def flip(input: Operand, *dims: Any) -> Tensor:
    """Reverse the order along the named axes: a copy."""
    x = as_tensor(input)
    axes = shapes.normal_axes(flat_sizes(dims), len(x.shape))
    start = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(x.shape))
    step = tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    return apply(TABLE["slice"], x, start=start, step=step, shape=x.shape)


@with_numpy_names
def split_with_sizes(input: Operand, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """Cut along `dim` into pieces of the given sizes."""
    return split(input, list(split_sizes), dim)


@of_kinds
def tensor_split(
    input: Operand, indices_or_sections: Any = None, dim: int = 0, *, sections: int | None = None,
    indices: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Cut along `dim` before the given positions, or into a number of nearly equal parts.

    The first parts are one longer where the size is not a multiple.
    """
    x = as_tensor(input)
    if not x.shape:
        raise ShapeError("tensor_split needs at least one axis, not a scalar")
    axis = shapes.normal_axis(dim, len(x.shape))
    n = x.shape[axis]
    chosen = next((v for v in (indices_or_sections, sections, indices) if v is not None), None)
    if isinstance(chosen, Handle):
        chosen = Handle._result.tolist(chosen)
    if chosen is not None and not isinstance(chosen, Iterable):
        chosen = check_whole("tensor_split: the number of parts", chosen)
    if isinstance(chosen, int):
        if chosen <= 0:
            raise ArgumentError(f"tensor_split needs a positive number of parts, not {chosen}")
        short, more = divmod(n, chosen)
        places = [i * short + min(i, more) for i in range(1, chosen)]
    elif chosen is None:
        raise ArgumentError("tensor_split needs positions or a number of parts")
    else:
        given = [check_whole("tensor_split: a place", p) for p in chosen]
        places = [max(p + n, 0) if p < 0 else min(p, n) for p in given]
    ends = [*places, n]
    starts = [0, *places]
    return tuple(narrow(x, axis, a, max(b - a, 0)) for a, b in zip(starts, ends, strict=True))


def _even(name: str, rank: int, axis: int, input: Operand, given: Any) -> tuple[Tensor, ...]:
    x = as_tensor(input)
    if len(x.shape) < rank:
        raise ShapeError(f"{name} needs at least {rank} axes, not shape {x.shape}")
    if isinstance(given, int) and (given <= 0 or x.shape[axis] % given):
        raise ShapeError(
            f"{name} of {x.shape[axis]} along axis {axis} into {given} equal parts does not come "
            "out even; use tensor_split"
        )
    return tensor_split(x, given, axis)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def hsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 1 (of a vector: 0) before positions, or into equal parts."""
    x = as_tensor(input)
    return _even("hsplit", 1, min(len(x.shape) - 1, 1), x, indices_or_sections)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def vsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 0 before positions, or into equal parts."""
    return _even("vsplit", 2, 0, input, indices_or_sections)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def dsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 2 before positions, or into equal parts."""
    return _even("dsplit", 3, 2, input, indices_or_sections)


def roll(input: Operand, shifts: Axes, dims: Axes | None = None) -> Tensor:
    """Move elements on by `shifts` along `dims`; those beyond the end enter in front.

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
            raise AxisError("roll needs an axis, which a scalar does not have")
        a = shapes.normal_axis(axis, len(x.shape))
        n = x.shape[a]
        by = move % n if n else 0
        if by:
            x = cat([narrow(x, a, n - by, by), narrow(x, a, 0, n - by)], a)
    return own(x) if x is input else x


def fliplr(input: Operand) -> Tensor:
    """Columns in reverse order."""
    return flip(_at_least(input, 2, "fliplr"), 1)


def flipud(input: Operand) -> Tensor:
    """Rows in reverse order."""
    return flip(_at_least(input, 1, "flipud"), 0)


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
        raise ShapeError(f"rot90 needs two axes, not {tuple(dims)}")
    first, second = (shapes.normal_axis(d, len(x.shape)) for d in dims)
    if first == second:
        raise ShapeError(f"rot90 needs two different axes, not {tuple(dims)}")
    turns = k % 4
    if turns == 2:
        return flip(x, (first, second))
    if turns == 1:
        return own(layout.transpose(flip(x, second), first, second))
    if turns == 3:
        return flip(layout.transpose(x, first, second), second)
    return own(x)


@with_out
def narrow_copy(input: Operand, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start`: a copy."""
    return clone(narrow(input, dim, start, length))
