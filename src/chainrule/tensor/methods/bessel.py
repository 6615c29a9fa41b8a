"""Bessel functions as methods of `Tensor`. Example: `x.i0()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import bessel
from chainrule.tensor.methods.in_place import in_place


class BesselMethods:
    """A part of `Methods`."""

    __slots__ = ()

    i0 = bessel.i0

    # in place
    i0_ = in_place(i0)
