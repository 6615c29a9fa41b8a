"""Running totals as methods of `Tensor`. Example: `x.cumsum(0)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import cumulative
from chainrule.tensor.methods.in_place import in_place


class CumulativeMethods:
    """A part of `Methods`."""

    __slots__ = ()

    cumsum = cumulative.cumsum
    cumprod = cumulative.cumprod
    cummax = cumulative.cummax
    cummin = cumulative.cummin
    logcumsumexp = cumulative.logcumsumexp
    diff = cumulative.diff
    cumsum_ = in_place(cumulative.cumsum)
    cumprod_ = in_place(cumulative.cumprod)
