"""The forms of views and methods that are functions with results of their own, and what fits none.

Example: `clone(x)`; `unravel_index(tensor(5), (2, 3))` is (1, 2).
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, operands
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import layout, norms, pointwise, reduce
from chainrule.tensor.functional.forms import also_named, of_kinds, with_out
from chainrule.tensor.functional.gather import as_index
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "adjoint",
    "clone",
    "detach",
    "dist",
    "is_same_size",
    "narrow_copy",
    "put",
    "resize_as_",
    "unravel_index",
    "zero_",
]


@of_kinds
def clone(input: Handle, *, memory_format: Any = None) -> Tensor:
    """The same value in a handle of its own, with gradient."""
    del memory_format
    return apply(TABLE["reshape"], input, shape=input.shape)


@of_kinds
def detach(input: Tensor) -> Tensor:
    """The same values, cut off from the graph."""
    return input.detach()


def is_same_size(input: Handle, other: Handle) -> bool:
    """Whether the shapes are equal."""
    return input.shape == other.shape


def adjoint(input: Operand) -> Tensor:
    """The last two axes exchanged (numbers are real)."""
    return layout.transpose(input, -2, -1)


@with_out
def narrow_copy(input: Operand, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start`, which are no view."""
    return clone(layout.narrow(input, dim, start, length))


@also_named("size")
def sum_to_size(input: Operand, *size: Any) -> Tensor:
    """The sum over all axes along which a tensor of `size` would be repeated to this shape."""
    x, target = as_tensor(input), layout.flat_sizes(size)
    if len(target) > len(x.shape) or shapes.broadcast(target, x.shape) != x.shape:
        raise ShapeError(f"size {target} does not broadcast to shape {x.shape}")
    lead = len(x.shape) - len(target)
    ones = [i + lead for i, n in enumerate(target) if n == 1 and x.shape[i + lead] != 1]
    axes = (*range(lead), *ones)
    if not target:
        return reduce.sum(x)
    if x.shape == target:
        return x
    return layout.reshape(reduce.sum(x, axes), target)


def resized(x: Tensor, shape: shapes.Shape) -> Tensor:
    """The first elements of x under another shape; zeros where there are not enough."""
    old, new = x.array_type.size, shapes.size(shape)
    flat = apply(TABLE["reshape"], x, shape=(old,))
    if new > old:
        flat = apply(TABLE["pad"], flat, start=(0,), step=(1,), shape=(new,))
    elif new < old:
        flat = apply(TABLE["slice"], flat, start=(0,), step=(1,), shape=(new,))
    return apply(TABLE["reshape"], flat, shape=shape)


@of_kinds
def resize_as_(input: Tensor, the_template: Handle, *, memory_format: Any = None) -> Tensor:
    """Rebind the input to its first elements under the template's shape, zeros behind."""
    del memory_format
    return input.resize_(the_template.shape)  # type: ignore[no-any-return]


@of_kinds
def zero_(input: Tensor) -> Tensor:
    """Rebind the input to zeros; returns it."""
    return input.zero_()  # type: ignore[no-any-return]


@of_kinds
def put(input: Operand, index: Operand, source: Operand, accumulate: bool = False) -> Tensor:
    """`input` as a vector with source at the numbers `index`, set or added up, in its shape."""
    x, at, new = as_tensor(input), as_index(index), as_tensor(source)
    if at.array_type.size != new.array_type.size:
        raise ShapeError(f"put of {new.array_type.size} elements at {at.array_type.size} places")
    number = (at.array_type.size,)
    places = apply(
        TABLE["ravel_index"],
        apply(TABLE["reshape"], at, shape=number),
        sizes=(x.array_type.size,),
        wrap=True,
    )
    values = cast(apply(TABLE["reshape"], new, shape=number), x.dtype)
    flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
    if accumulate:
        kind = dtypes.int64 if x.dtype is dtypes.bool_ else x.dtype
        sums = apply(TABLE["scatter_add"], cast(values, kind), places, rows=x.array_type.size)
        flat = cast(apply(TABLE["add"], cast(flat, kind), sums), x.dtype)
    else:
        flat = apply(TABLE["scatter"], flat, values, places, how="set")
    return apply(TABLE["reshape"], flat, shape=x.shape)


@of_kinds
def unravel_index(indices: Operand, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, axis by axis, of row-major numbers in a tensor of `shape`."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in sizes):
        raise ArgumentError(f"sizes must not be negative: {sizes}")
    rest = as_index(indices)
    parts = []
    for n in reversed(sizes):
        parts.append(pointwise.remainder(rest, n))
        rest = pointwise.floor_divide(rest, n)
    return tuple(reversed(parts))


@of_kinds
def dist(input: Operand, other: Operand, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    x, y = operands(input, other)
    return norms.norm(pointwise.sub(x, y), p)
