"""Functions that write by index as methods of `Tensor`. Example: `x.index_add(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor import indexing
from chainrule.tensor.functional import masked, scatter
from chainrule.tensor.methods.in_place import in_place


class ScatterMethods:
    """A part of `Methods`."""

    __slots__ = ()

    scatter_add = scatter.scatter_add
    scatter_reduce = scatter.scatter_reduce
    index_add = scatter.index_add
    index_copy = scatter.index_copy
    index_fill = scatter.index_fill
    index_reduce = scatter.index_reduce
    index_put = indexing.index_put
    put = scatter.put
    masked_fill = masked.masked_fill
    masked_scatter = masked.masked_scatter
    masked_select = masked.masked_select
    select_scatter = scatter.select_scatter
    slice_scatter = scatter.slice_scatter
    diagonal_scatter = scatter.diagonal_scatter

    # in place
    scatter_add_ = in_place(scatter_add)
    scatter_reduce_ = in_place(scatter_reduce)
    index_add_ = in_place(index_add)
    index_copy_ = in_place(index_copy)
    index_fill_ = in_place(index_fill)
    index_reduce_ = in_place(index_reduce)
    index_put_ = in_place(index_put)
    put_ = in_place(put)
    masked_fill_ = in_place(masked_fill)
    masked_scatter_ = in_place(masked_scatter)

    scatter = scatter.scatter
    scatter_ = in_place(scatter)
