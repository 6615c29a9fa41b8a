"""Elementary functions as methods of `Tensor`. Example: `x.tan(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import elementary
from chainrule.tensor.methods.in_place import in_place


class ElementaryMethods:
    """A part of `Methods`."""

    __slots__ = ()

    acos = elementary.acos
    acosh = elementary.acosh
    arccos = elementary.arccos
    arccosh = elementary.arccosh
    arcsin = elementary.arcsin
    arcsinh = elementary.arcsinh
    arctan = elementary.arctan
    arctan2 = elementary.arctan2
    arctanh = elementary.arctanh
    asin = elementary.asin
    asinh = elementary.asinh
    atan = elementary.atan
    atan2 = elementary.atan2
    atanh = elementary.atanh
    copysign = elementary.copysign
    cosh = elementary.cosh
    deg2rad = elementary.deg2rad
    erfc = elementary.erfc
    erfinv = elementary.erfinv
    exp2 = elementary.exp2
    fmax = elementary.fmax
    fmin = elementary.fmin
    frac = elementary.frac
    heaviside = elementary.heaviside
    hypot = elementary.hypot
    ldexp = elementary.ldexp
    log2 = elementary.log2
    log10 = elementary.log10
    logaddexp = elementary.logaddexp
    logaddexp2 = elementary.logaddexp2
    logit = elementary.logit
    nan_to_num = elementary.nan_to_num
    positive = elementary.positive
    rad2deg = elementary.rad2deg
    sinc = elementary.sinc
    sinh = elementary.sinh
    tan = elementary.tan
    xlogy = elementary.xlogy

    # in place
    acos_ = in_place(elementary.acos)
    acosh_ = in_place(elementary.acosh)
    arccos_ = in_place(elementary.arccos)
    arccosh_ = in_place(elementary.arccosh)
    arcsin_ = in_place(elementary.arcsin)
    arcsinh_ = in_place(elementary.arcsinh)
    arctan_ = in_place(elementary.arctan)
    arctan2_ = in_place(elementary.arctan2)
    arctanh_ = in_place(elementary.arctanh)
    asin_ = in_place(elementary.asin)
    asinh_ = in_place(elementary.asinh)
    atan_ = in_place(elementary.atan)
    atan2_ = in_place(elementary.atan2)
    atanh_ = in_place(elementary.atanh)
    copysign_ = in_place(elementary.copysign)
    cosh_ = in_place(elementary.cosh)
    deg2rad_ = in_place(elementary.deg2rad)
    erfc_ = in_place(elementary.erfc)
    erfinv_ = in_place(elementary.erfinv)
    exp2_ = in_place(elementary.exp2)
    frac_ = in_place(elementary.frac)
    heaviside_ = in_place(elementary.heaviside)
    hypot_ = in_place(elementary.hypot)
    ldexp_ = in_place(elementary.ldexp)
    log2_ = in_place(elementary.log2)
    log10_ = in_place(elementary.log10)
    logit_ = in_place(elementary.logit)
    nan_to_num_ = in_place(elementary.nan_to_num)
    rad2deg_ = in_place(elementary.rad2deg)
    sinc_ = in_place(elementary.sinc)
    sinh_ = in_place(elementary.sinh)
    tan_ = in_place(elementary.tan)
    xlogy_ = in_place(elementary.xlogy)
