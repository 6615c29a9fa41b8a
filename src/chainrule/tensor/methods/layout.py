"""Functions that reorder, cut and join as methods of `Tensor`. Example: `x.view(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError
from chainrule.tensor.functional import broadcast, diagonal, layout, slices, strided
from chainrule.tensor.memory import memory
from chainrule.tensor.methods.in_place import in_place

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def _reshaped(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method form `x.fn_(…)` of a function that changes the shape: rebind x to the result."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self._lens is not None:
            raise ArgumentError(f"{fn.__name__}_ of a view: use y = x.{fn.__name__}(…)")
        self._rebind(fn(self, *args, **kwargs).clone())
        return self

    method.__name__ = f"{fn.__name__}_"
    method.__doc__ = f"Rebind this tensor to `{fn.__name__}` of it; returns the tensor."
    return method


class LayoutMethods:
    """A part of `Methods`."""

    __slots__ = ()

    view = layout.view
    reshape = layout.reshape
    flatten = layout.flatten
    permute = layout.permute
    transpose = layout.transpose
    swapaxes, swapdims = layout.swapaxes, layout.transpose
    adjoint = layout.adjoint
    t = layout.t
    unsqueeze = layout.unsqueeze
    squeeze = layout.squeeze
    narrow = slices.narrow
    narrow_copy = slices.narrow_copy
    select = slices.select
    split = unsafe_split = slices.split
    chunk = unsafe_chunk = slices.chunk
    unbind = slices.unbind
    expand = broadcast.expand
    flip = slices.flip

    movedim = moveaxis = layout.movedim
    unflatten = layout.unflatten
    ravel = layout.ravel
    expand_as = broadcast.expand_as
    view_as = reshape_as = layout.view_as
    broadcast_to = broadcast.broadcast_to
    repeat = broadcast.repeat
    tile = broadcast.tile
    repeat_interleave = broadcast.repeat_interleave
    roll = slices.roll
    rot90 = slices.rot90
    fliplr = slices.fliplr
    flipud = slices.flipud
    unfold = strided.unfold
    as_strided = strided.as_strided
    as_strided_scatter = strided.as_strided_scatter

    tensor_split = slices.tensor_split
    split_with_sizes = slices.split_with_sizes
    hsplit = slices.hsplit
    vsplit = slices.vsplit
    dsplit = slices.dsplit

    tril = diagonal.tril
    triu = diagonal.triu
    diag = diagonal.diag
    diag_embed = diagonal.diag_embed
    diagflat = diagonal.diagflat
    trace = diagonal.trace
    diagonal = diagonal.diagonal

    # in place
    tril_ = in_place(tril)
    triu_ = in_place(triu)
    squeeze_ = _reshaped(layout.squeeze)
    unsqueeze_ = _reshaped(layout.unsqueeze)
    transpose_ = swapdims_ = _reshaped(layout.transpose)
    swapaxes_ = _reshaped(layout.swapaxes)
    t_ = _reshaped(layout.t)

    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
        """Take `fill_value` on the main diagonal (again below a tall matrix' square if `wrap`)."""
        shape = self.shape
        if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
            raise ArgumentError(f"fill_diagonal_ needs a matrix or equal sizes, not shape {shape}")
        step = sum(shapes.contiguous_strides(shape))
        end = shapes.size(shape) if wrap or len(shape) > 2 else min(shape) * step
        self.view(-1)[:end:step] = fill_value
        return self

    # memory, which is the compiler's business here

    def stride(self: Any, dim: int | None = None) -> Any:
        """Strides in elements: row-major, in a view those of its place in the base."""
        if self._lens is None:
            strides = shapes.contiguous_strides(tuple([max(n, 1) for n in self.shape]))
        else:
            strides = memory(self).strides
        return strides if dim is None else strides[shapes.normal_axis(dim, len(strides))]

    def storage_offset(self: Any) -> int:
        """The number of the first element in the base of this view, 0 of what is no view."""
        return memory(self).offset
