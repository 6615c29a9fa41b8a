"""Special functions as methods of `Tensor`. Example: `x.lgamma()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.functional import special
from chainrule.tensor.methods.in_place import in_place


class SpecialMethods:
    """A part of `Methods`."""

    __slots__ = ()

    lgamma = special.lgamma
    digamma = special.digamma
    i0 = special.i0
    mvlgamma = special.mvlgamma

    def polygamma(self: Any, n: int) -> Any:
        """The n-th derivative of digamma."""
        return special.polygamma(n, self)

    # in place
    lgamma_ = in_place(lgamma)
    digamma_ = in_place(digamma)
    i0_ = in_place(i0)
    mvlgamma_ = in_place(mvlgamma)
    polygamma_ = in_place(polygamma)
