"""Functions that read by index as methods of `Tensor`. Example: `x.index_select(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import gather


class GatherMethods:
    """A part of `Methods`."""

    __slots__ = ()

    index_select = gather.index_select
    take = gather.take
    take_along_dim = gather.take_along_dim
    nonzero = gather.nonzero
    argwhere = gather.argwhere
    bincount = gather.bincount
    gather = gather.gather
