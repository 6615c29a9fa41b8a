"""Functions that read and write by index as methods of `Tensor`. Example: `x.index_select(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import select


class SelectMethods:
    """A part of `Methods`."""

    __slots__ = ()

    index_select = select.index_select
