"""Views by strides: `as_strided` of a tensor's root, `unfold` along an axis.

Example: `as_strided(x, (3, 2), (1, 1))` are the windows of two of a vector of four.
Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.layout import movedim, reshape, unflatten, view_of
from chainrule.tensor.functional.scatter import embedded
from chainrule.tensor.functional.slices import narrow
from chainrule.tensor.handle import Handle
from chainrule.tensor.memory import refuse_overlap, rooted
from chainrule.tensor.modes import modes, set_grad_enabled

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["as_strided", "as_strided_scatter"]


@of_kinds
def as_strided(
    input: Operand, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view: element i is the element `storage_offset` + Σ i·stride of the input's root.

    Where several elements are one of the root, the view can be read but not written. The gradient
    of a view of a leaf that was cut off by detach() is the leaf's.
    """
    x = as_tensor(input)
    root, found = rooted(x)
    first = found.offset if storage_offset is None else storage_offset
    at = shapes.View(tuple(size), tuple(stride), first)
    places = _places(at, shapes.size(root.shape), root.shape)
    leaf = _cut_off(x) if x.requires_grad else None
    if leaf is not None:
        root, places = leaf, _places_in(leaf, places)
    shared = np.unique(places).size < places.size
    flows = x.requires_grad

    def flat(whole: Any) -> Tensor:
        return apply(TABLE["reshape"], whole, shape=(shapes.size(whole.shape),))

    def get(base: Any) -> Tensor:
        with set_grad_enabled(modes.grad and flows):
            return apply(TABLE["gather"], flat(base), wrap(places))

    def put(base: Any, new: Any) -> Tensor:
        number = wrap(places.reshape(-1))
        out = apply(TABLE["scatter"], flat(base), flat(new), number, how="set")
        return apply(TABLE["reshape"], out, shape=base.shape)

    move = (lambda _: at) if leaf is None else None
    return view_of(root, get, refuse_overlap if shared else put, move)


def _cut_off(x: Handle) -> Handle | None:
    """The nearest base, or `x` itself, that detach() made: gradients end there."""
    while (lens := x._lens) is not None:
        if lens.detaches:
            return x
        x = lens.base
    return None


def _places_in(leaf: Handle, places: Any) -> Any:
    """Numbers of elements of the root as numbers of elements of `leaf`."""
    root, at = rooted(leaf)
    own = _places(at, shapes.size(root.shape), root.shape).reshape(-1)
    order = np.argsort(own)
    found = np.searchsorted(own, places, sorter=order)
    numbers = order[np.minimum(found, own.size - 1)] if own.size else found
    if places.size and not (own.size and np.array_equal(own[numbers], places)):
        raise ArgumentError(
            f"as_strided reaches elements outside of the tensor of shape {leaf.shape} that has the "
            "gradient: pass x.detach(), or take the view from the base"
        )
    return numbers


def _places(at: shapes.View, count: int, shape: shapes.Shape) -> Any:
    """The number of each element of the view."""
    if len(at.shape) != len(at.strides) or any(n < 0 for n in (*at.shape, *at.strides)):
        raise ShapeError(f"as_strided needs a stride ≥ 0 for each size: {at.shape}, {at.strides}")
    steps = [np.arange(n) * s for n, s in zip(at.shape, at.strides, strict=True)]
    places = np.full(at.shape, at.offset, dtypes.int64.numpy)
    for axis, step in enumerate(steps):
        places += step.reshape((-1, *(1,) * (len(steps) - 1 - axis)))
    if places.size and not (at.offset >= 0 and places.max() < count):
        raise IndexBoundsError(
            f"as_strided of sizes {at.shape}, strides {at.strides} and offset {at.offset} reaches "
            f"element {places.max()} of the {count} of shape {tuple(shape)}"
        )
    return places


@of_kinds
def as_strided_scatter(
    input: Operand, src: Operand, size: Sequence[int], stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:  # fmt: skip
    """A copy of the input with src as its elements at these strides."""
    return embedded(input, src, lambda x: as_strided(x, size, stride, storage_offset))


@of_kinds
def unfold(input: Operand, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements along an axis, `step` apart: a new last axis holds a window.

    A view; windows that overlap can be read but not written.
    """
    x = as_tensor(input)
    axis = shapes.normal_axis(dimension, len(x.shape))
    if not x.shape:
        vector = reshape(x, (1,))
        return reshape(unfold(vector, 0, size, step), (size,))
    n = x.shape[axis]
    if size < 0 or step <= 0 or size > n:
        raise ArgumentError(f"unfold of {n} elements needs 0 ≤ size ≤ {n} and step > 0, "
                            f"not size {size} and step {step}")  # fmt: skip
    count = (n - size) // step + 1
    if size == step:
        whole = narrow(x, axis, 0, count * step)
        return movedim(unflatten(whole, axis, (count, size)), axis + 1, -1)
    if not size:
        shape = (*(count if i == axis else n for i, n in enumerate(x.shape)), 0)
        return reshape(narrow(x, axis, 0, 0), shape)

    def get(base: Handle) -> Tensor:
        return apply(
            TABLE["windows"], base, axes=(axis,), size=(size,), step=(step,), dilation=(1,)
        )

    def move(at: shapes.View) -> shapes.View:
        between = at.strides[axis]
        sizes = (*(count if i == axis else n for i, n in enumerate(at.shape)), size)
        strides = (*(s * step if i == axis else s for i, s in enumerate(at.strides)), between)
        return shapes.View(sizes, strides, at.offset)

    return view_of(x, get, refuse_overlap, move)
