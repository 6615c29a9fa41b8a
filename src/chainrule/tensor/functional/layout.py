"""Renumbering: view, transpose, slice, concatenate. Most return views: lenses onto their base.

Writing through a view rebinds the base; see `tensor/handle.py`. Example: `x.view(-1)[3] = 0.0`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import (
    ArgumentError,
    AxisError,
    DTypeError,
    IndexBoundsError,
    KindError,
    ShapeError,
)
from chainrule.base.shapes import Shape
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, result_dtype
from chainrule.tensor.convert import expand as expand_to
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional.forms import (
    also_called,
    also_named,
    deliver,
    of_kinds,
    with_numpy_names,
)
from chainrule.tensor.handle import Handle, Lens
from chainrule.tensor.memory import memory, refuse_overlap

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "expand",
    "flatten",
    "flip",
    "masked_fill",
    "narrow",
    "permute",
    "reshape",
    "select",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unbind",
    "unsqueeze",
]

Get = Callable[[Any], "Tensor"]
Put = Callable[[Any, Any], "Tensor"]
Move = Callable[[shapes.View], shapes.View]


def view_of(
    base: Handle, get: Get, put: Put, move: Move | None = None, *, detaches: bool = False
) -> Tensor:
    """A view of `base` through a lens; `move` says where its elements stand (`tensor.memory`)."""
    base._sync()
    out = get(base)
    if out is base:
        out = apply(TABLE["reshape"], base, shape=base.shape)
    root = base if base._lens is None else base._lens.root
    out._lens = Lens(base, root, get, put, move, detaches)
    out._seen = root._version
    return out


def flat_sizes(sizes: Sequence[Any]) -> Shape:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    try:
        if len(sizes) == 1 and not isinstance(sizes[0], int):
            sizes = tuple(sizes[0])
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise KindError(
            f"sizes and axes are whole numbers, not {tuple(sizes)}\n  where one is divided, use //"
        ) from None


def _fitting(old: Shape, new: Shape) -> Shape:
    """`new` without -1; an error says from which axis on the sizes do not fit."""
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

    A view, unless the input is one whose strides the shape does not fit: then a copy.
    """
    x = as_tensor(input)
    target = _fitting(x.array_type.shape, flat_sizes(shape))
    if x._lens is not None and memory(x).reshape(target) is None:
        return apply(TABLE["reshape"], x, shape=target)
    return _renumbered(x, target)


def _renumbered(x: Handle, target: Shape) -> Tensor:
    return view_of(
        x,
        lambda base: apply(TABLE["reshape"], base, shape=target),
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
    return _renumbered(x, _fitting(x.array_type.shape, flat_sizes(shape)))


@of_kinds
def flatten(input: Operand, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from start_dim to end_dim into one."""
    x = as_tensor(input)
    rank = len(x.shape)
    first, last = shapes.normal_axis(start_dim, rank), shapes.normal_axis(end_dim, rank)
    if first > last:
        raise ShapeError(f"flatten from axis {first} to {last}: the first must not be the larger")
    if first == last and rank:
        return x
    merged = shapes.size(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


@also_named("dims")
def permute(input: Operand, *dims: Any) -> Tensor:
    """Reorder the axes."""
    x = as_tensor(input)
    rank = len(x.array_type.shape)
    return _permuted(x, tuple([shapes.normal_axis(d, rank) for d in flat_sizes(dims)]))


def _permuted(x: Handle, axes: Shape) -> Tensor:
    back = axes
    if len(axes) > 2 and len(set(axes)) == len(axes):  # one or two axes: it is its own inverse
        back = tuple([axes.index(i) for i in range(len(axes))])
    return view_of(
        x,
        lambda base: apply(TABLE["transpose"], base, axes=axes),
        lambda _, new: apply(TABLE["transpose"], new, axes=back),
        lambda at: at.transpose(axes),
    )


def transpose(input: Operand, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes."""
    x = as_tensor(input)
    rank = len(x.array_type.shape)
    order = list(range(rank))
    a, b = shapes.normal_axis(dim0, rank), shapes.normal_axis(dim1, rank)
    if order:
        order[a], order[b] = order[b], order[a]
    return _permuted(x, tuple(order))


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
    return transpose(x, 0, 1) if len(x.shape) == 2 else _renumbered(x, x.shape)


@with_numpy_names
def unsqueeze(input: Operand, dim: int) -> Tensor:
    """Insert an axis of size 1 before position `dim`."""
    x = as_tensor(input)
    at = shapes.normal_axis(dim, len(x.shape), extra=1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


@with_numpy_names
def squeeze(input: Operand, dim: int | Sequence[int] | None = None) -> Tensor:
    """Remove axes of size 1 (all, or those named)."""
    x = as_tensor(input)
    axes = shapes.normal_axes(dim, len(x.shape))
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if not (n == 1 and i in axes)))


def with_region(base: Handle, new: Handle, start: Shape, step: Shape) -> Tensor:
    """`base` with the elements of `new` in the strided region from `start`."""
    return apply(TABLE["overlay"], base, new, start=start, step=step)


def slice_view(
    x: Handle, start: Shape, step: Shape, shape: Shape, result: Shape | None = None
) -> Tensor:
    """A view of the strided region, of shape `result`; writing it pads the values into the base."""
    seen = shape if result is None else result

    def get(base: Any) -> Tensor:
        out = apply(TABLE["slice"], base, start=start, step=step, shape=shape)
        return out if seen == shape else apply(TABLE["reshape"], out, shape=seen)

    def put(base: Any, new: Any) -> Tensor:
        if seen != shape:
            new = apply(TABLE["reshape"], new, shape=shape)
        return with_region(base, new, start, step)

    def move(at: shapes.View) -> shapes.View:
        part = at.slice(start, step, shape)
        return part.reshape(seen) or part.whole(seen)

    return view_of(x, get, put, move)


@with_numpy_names
def narrow(input: Operand, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start`."""
    x = as_tensor(input)
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        raise AxisError("narrow goes along an axis, which a scalar has not")
    if getattr(start, "dtype", dtypes.int64).kind != "int":
        raise DTypeError(f"narrow starts at an integer, not at a tensor of {start.dtype}")  # type: ignore[attr-defined]
    if not -x.shape[axis] <= start <= x.shape[axis]:
        raise IndexBoundsError(
            f"narrow starts at {start} of axis {axis}, which has {x.shape[axis]}"
        )
    first = start + x.shape[axis] if start < 0 else start
    if not 0 <= first <= first + length <= x.shape[axis]:
        raise ShapeError(
            f"narrow takes {length} from {start} along axis {axis}, which has {x.shape[axis]}"
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
        sizes = list(split_size_or_sections)
        if sum(sizes) != total:
            raise ShapeError(f"split sizes {sizes} add up to {sum(sizes)}, the axis has {total}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(x, axis, at, n) for at, n in zip(starts, sizes, strict=True))


@with_numpy_names
def chunk(input: Operand, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut along `dim` into at most `chunks` pieces of equal size (the last may be smaller)."""
    x = as_tensor(input)
    if check_whole("chunk: chunks", chunks, least=1) and not x.shape:
        raise AxisError("chunk goes along an axis, which a scalar has not")
    total = x.shape[shapes.normal_axis(dim, len(x.shape))]
    return split(x, max(-(-total // chunks), 1), dim)


@with_numpy_names
def unbind(input: Operand, dim: int = 0) -> tuple[Tensor, ...]:
    """Every slice along `dim`, without that axis."""
    x = as_tensor(input)
    if not x.shape:
        raise AxisError("unbind goes along an axis, which a scalar has not: x.item() is its value")
    return tuple(select(x, dim, i) for i in range(x.shape[shapes.normal_axis(dim, len(x.shape))]))


@also_named("size")
def expand(input: Operand, *sizes: Any) -> Tensor:
    """Repeat axes of size 1 to `sizes` (-1 keeps an axis): a view to read from, not to write to."""
    x = as_tensor(input)
    target = flat_sizes(sizes)
    lead = len(target) - len(x.shape)
    if lead < 0:
        raise ShapeError(f"expand of {x.shape} to {target}: fewer axes than the tensor has")
    if -1 in target[:lead]:
        raise ShapeError(f"expand of {x.shape} to {target}: -1 keeps an axis, but this one is new")
    wide = tuple(x.shape[i - lead] if n == -1 else n for i, n in enumerate(target))
    if wide == (1,) * lead + x.shape:  # nothing is repeated
        return _renumbered(x, wide)
    return view_of(
        x,
        lambda base: expand_to(base, wide),
        refuse_overlap,
        lambda at: at.broadcast_to(wide),
    )


@with_numpy_names
def cat(tensors: Sequence[Operand], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Lay tensors one after the other along `dim`, promoted to one dtype."""
    if isinstance(tensors, Handle):
        raise KindError("cat takes a list of tensors, not one: write cat([a, b])")
    if out is not None:
        return deliver(cat(tensors, dim), out)
    parts = [as_tensor(p) for p in tensors]
    if not parts:
        raise ArgumentError("cat needs at least one tensor")
    parts = [p for p in parts if p.shape != (0,)] or parts[:1]
    axis = shapes.normal_axis(dim, len(parts[0].shape))
    if len({p.dtype for p in parts}) > 1:
        dtype = result_dtype(parts)
        parts = [cast(p, dtype) for p in parts]
    return apply(TABLE["concat"], *parts, axis=axis)


concat = cat


@with_numpy_names
def stack(tensors: Sequence[Operand], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Lay equal shapes along a new axis."""
    if out is not None:
        return deliver(stack(tensors, dim), out)
    parts = [as_tensor(p) for p in tensors]
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise ShapeError(
                f"stack needs equal shapes, but tensor 0 has {parts[0].shape} and tensor {i} "
                f"{part.shape}\n  nn.utils.rnn.pad_sequence fills sequences up to the longest"
            )
    return cat([unsqueeze(p, dim) for p in parts], dim)


@also_named("dims")
def flip(input: Operand, *dims: Any) -> Tensor:
    """Reverse the order along the named axes: a copy."""
    x = as_tensor(input)
    axes = shapes.normal_axes(flat_sizes(dims), len(x.shape))
    start = tuple(max(n - 1, 0) if i in axes else 0 for i, n in enumerate(x.shape))
    step = tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    return apply(TABLE["slice"], x, start=start, step=step, shape=x.shape)


@of_kinds
def masked_fill(input: Operand, mask: Operand, value: Operand) -> Tensor:
    """`value` where mask holds, input elsewhere."""
    x = as_tensor(input)
    filling, held = as_tensor(value, x.dtype), as_tensor(mask)
    if held.dtype is not dtypes.bool_:
        raise DTypeError(f"masked_fill takes a mask of bools, not {held.dtype}; use mask != 0")
    if filling.shape:
        raise ShapeError(f"masked_fill takes one value, not shape {filling.shape}; use where")
    shape = shapes.broadcast(held.shape, x.shape)
    return apply(
        TABLE["where"], expand_to(held, shape), expand_to(filling, shape), expand_to(x, shape)
    )


# PyTorch's other names
concatenate = cat
