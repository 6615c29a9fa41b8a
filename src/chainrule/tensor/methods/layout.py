"""Functions that reorder, cut and join as methods of `Tensor`. Example: `x.view(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import layout
from chainrule.tensor.methods.in_place import in_place


class LayoutMethods:
    """A part of `Methods`."""

    __slots__ = ()

    view = layout.reshape
    reshape = layout.reshape
    flatten = layout.flatten
    permute = layout.permute
    transpose = layout.transpose
    swapaxes = layout.transpose
    t = layout.t
    unsqueeze = layout.unsqueeze
    squeeze = layout.squeeze
    narrow = layout.narrow
    select = layout.select
    split = layout.split
    chunk = layout.chunk
    unbind = layout.unbind
    expand = layout.expand
    flip = layout.flip
    tril = layout.tril
    triu = layout.triu
    masked_fill = layout.masked_fill

    # in place
    masked_fill_ = in_place(layout.masked_fill)
