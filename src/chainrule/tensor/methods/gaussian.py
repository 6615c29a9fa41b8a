"""The error function and its kin as methods of `Tensor`. Example: `x.erf()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import gaussian
from chainrule.tensor.methods.in_place import in_place


class GaussianMethods:
    """A part of `Methods`."""

    __slots__ = ()

    erf = gaussian.erf
    erfc = gaussian.erfc
    erfinv = gaussian.erfinv

    # in place
    erf_ = in_place(gaussian.erf)
    erfc_ = in_place(gaussian.erfc)
    erfinv_ = in_place(gaussian.erfinv)
