"""Trigonometric and hyperbolic functions as methods of `Tensor`. Example: `x.tan()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import trigonometry
from chainrule.tensor.methods.in_place import in_place


class TrigonometryMethods:
    """A part of `Methods`."""

    __slots__ = ()

    sin = trigonometry.sin
    cos = trigonometry.cos
    tanh = trigonometry.tanh
    acos = trigonometry.acos
    acosh = trigonometry.acosh
    arccos = trigonometry.arccos
    arccosh = trigonometry.arccosh
    arcsin = trigonometry.arcsin
    arcsinh = trigonometry.arcsinh
    arctan = trigonometry.arctan
    arctan2 = trigonometry.arctan2
    arctanh = trigonometry.arctanh
    asin = trigonometry.asin
    asinh = trigonometry.asinh
    atan = trigonometry.atan
    atan2 = trigonometry.atan2
    atanh = trigonometry.atanh
    cosh = trigonometry.cosh
    deg2rad = trigonometry.deg2rad
    hypot = trigonometry.hypot
    rad2deg = trigonometry.rad2deg
    sinc = trigonometry.sinc
    sinh = trigonometry.sinh
    tan = trigonometry.tan

    # in place
    sin_ = in_place(trigonometry.sin)
    cos_ = in_place(trigonometry.cos)
    tanh_ = in_place(trigonometry.tanh)
    acos_ = in_place(trigonometry.acos)
    acosh_ = in_place(trigonometry.acosh)
    arccos_ = in_place(trigonometry.arccos)
    arccosh_ = in_place(trigonometry.arccosh)
    arcsin_ = in_place(trigonometry.arcsin)
    arcsinh_ = in_place(trigonometry.arcsinh)
    arctan_ = in_place(trigonometry.arctan)
    arctan2_ = in_place(trigonometry.arctan2)
    arctanh_ = in_place(trigonometry.arctanh)
    asin_ = in_place(trigonometry.asin)
    asinh_ = in_place(trigonometry.asinh)
    atan_ = in_place(trigonometry.atan)
    atan2_ = in_place(trigonometry.atan2)
    atanh_ = in_place(trigonometry.atanh)
    cosh_ = in_place(trigonometry.cosh)
    deg2rad_ = in_place(trigonometry.deg2rad)
    hypot_ = in_place(trigonometry.hypot)
    rad2deg_ = in_place(trigonometry.rad2deg)
    sinc_ = in_place(trigonometry.sinc)
    sinh_ = in_place(trigonometry.sinh)
    tan_ = in_place(trigonometry.tan)
