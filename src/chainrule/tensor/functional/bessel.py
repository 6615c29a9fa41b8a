"""Modified Bessel functions of the first kind. Example: `i0e(x)` = exp(-|x|) · i0(x).

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

from chainrule.ops import TABLE
from chainrule.tensor.functional.forms import floating_of

__all__ = ["i0"]


i0 = floating_of(TABLE["i0"], "The modified Bessel function of the first kind, order 0.")
i1 = floating_of(TABLE["i1"], "The modified Bessel function of the first kind, order 1.")
i0e = floating_of(TABLE["i0e"], "exp(-|input|) · i0(input), without overflow.")
i1e = floating_of(TABLE["i1e"], "exp(-|input|) · i1(input), without overflow.")
