"""Sorting and finding as methods of `Tensor`. Example: `x.topk(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import order, search


class OrderMethods:
    """A part of `Methods`."""

    __slots__ = ()

    sort = order.sort
    argsort = order.argsort
    msort = order.msort
    topk = order.topk
    kthvalue = order.kthvalue
    median = order.median
    mode = order.mode
    nanmedian = order.nanmedian
    quantile = order.quantile
    nanquantile = order.nanquantile
    unique = search.unique
    unique_consecutive = search.unique_consecutive
    histc = search.histc
    isin = search.isin
