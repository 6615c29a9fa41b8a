"""Finding values as methods of `Tensor`. Example: `x.unique()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import search


class SearchMethods:
    """A part of `Methods`."""

    __slots__ = ()

    unique = search.unique
    unique_consecutive = search.unique_consecutive
    histc = search.histc
    isin = search.isin
