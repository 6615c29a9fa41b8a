"""Sorting and what follows from it as methods of `Tensor`. Example: `x.topk(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import sort


class SortMethods:
    """A part of `Methods`."""

    __slots__ = ()

    argsort = sort.argsort
    msort = sort.msort
    topk = sort.topk
    kthvalue = sort.kthvalue
    median = sort.median
    mode = sort.mode
    nanmedian = sort.nanmedian
    quantile = sort.quantile
    nanquantile = sort.nanquantile
    sort = sort.sort
