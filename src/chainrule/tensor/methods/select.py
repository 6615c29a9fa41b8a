"""Functions that read and write by index as methods of `Tensor`. Example: `x.index_select(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor import indexing
from chainrule.tensor.functional import select
from chainrule.tensor.methods.in_place import in_place


class SelectMethods:
    """A part of `Methods`."""

    __slots__ = ()

    index_select = select.index_select
    index_put = indexing.index_put

    # in place
    index_put_ = in_place(indexing.index_put)
