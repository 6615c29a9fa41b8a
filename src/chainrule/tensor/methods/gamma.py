"""Functions of the gamma family as methods of `Tensor`. Example: `x.lgamma()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.functional import gamma
from chainrule.tensor.methods.in_place import in_place


class GammaMethods:
    """A part of `Methods`."""

    __slots__ = ()

    lgamma = gamma.lgamma
    digamma = gamma.digamma
    mvlgamma = gamma.mvlgamma

    def polygamma(self: Any, n: int) -> Any:
        """The n-th derivative of digamma."""
        return gamma.polygamma(n, self)

    # in place
    lgamma_ = in_place(lgamma)
    digamma_ = in_place(digamma)
    mvlgamma_ = in_place(mvlgamma)
    polygamma_ = in_place(polygamma)
