"""Elementwise functions as methods of `Tensor`. Example: `x.add(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.tensor.functional import pointwise
from chainrule.tensor.methods.in_place import in_place


class PointwiseMethods:
    """A part of `Methods`."""

    __slots__ = ()

    add = pointwise.add
    sub = pointwise.sub
    subtract = pointwise.subtract
    mul = pointwise.mul
    multiply = pointwise.multiply
    div = pointwise.div
    divide = pointwise.divide
    true_divide = pointwise.true_divide
    floor_divide = pointwise.floor_divide
    remainder = pointwise.remainder
    fmod = pointwise.fmod
    pow = pointwise.pow
    float_power = pointwise.float_power
    neg = pointwise.neg
    negative = pointwise.negative
    abs = pointwise.abs
    absolute = pointwise.absolute
    sign = pointwise.sign
    sgn = pointwise.sgn
    floor = pointwise.floor
    ceil = pointwise.ceil
    round = pointwise.round
    trunc = pointwise.trunc
    fix = pointwise.fix
    exp = pointwise.exp
    expm1 = pointwise.expm1
    log = pointwise.log
    log1p = pointwise.log1p
    sqrt = pointwise.sqrt
    rsqrt = pointwise.rsqrt
    sin = pointwise.sin
    cos = pointwise.cos
    tanh = pointwise.tanh
    sigmoid = pointwise.sigmoid
    erf = pointwise.erf
    relu = pointwise.relu
    square = pointwise.square
    reciprocal = pointwise.reciprocal
    clamp = pointwise.clamp
    clip = pointwise.clip
    clamp_min = pointwise.clamp_min
    clamp_max = pointwise.clamp_max
    lerp = pointwise.lerp
    addcmul = pointwise.addcmul
    addcdiv = pointwise.addcdiv
    maximum = pointwise.maximum
    minimum = pointwise.minimum
    eq = pointwise.eq
    ne = pointwise.ne
    not_equal = pointwise.not_equal
    lt = pointwise.lt
    less = pointwise.less
    le = pointwise.le
    less_equal = pointwise.less_equal
    gt = pointwise.gt
    greater = pointwise.greater
    ge = pointwise.ge
    greater_equal = pointwise.greater_equal
    logical_not = pointwise.logical_not
    logical_and = pointwise.logical_and
    logical_or = pointwise.logical_or
    logical_xor = pointwise.logical_xor
    isnan = pointwise.isnan
    isinf = pointwise.isinf
    isfinite = pointwise.isfinite

    # in place
    add_ = in_place(pointwise.add)
    sub_ = in_place(pointwise.sub)
    subtract_ = in_place(pointwise.subtract)
    mul_ = in_place(pointwise.mul)
    multiply_ = in_place(pointwise.multiply)
    div_ = in_place(pointwise.div)
    divide_ = in_place(pointwise.divide)
    true_divide_ = in_place(pointwise.true_divide)
    floor_divide_ = in_place(pointwise.floor_divide)
    remainder_ = in_place(pointwise.remainder)
    fmod_ = in_place(pointwise.fmod)
    pow_ = in_place(pointwise.pow)
    neg_ = in_place(pointwise.neg)
    negative_ = in_place(pointwise.negative)
    abs_ = in_place(pointwise.abs)
    absolute_ = in_place(pointwise.absolute)
    sign_ = in_place(pointwise.sign)
    sgn_ = in_place(pointwise.sgn)
    floor_ = in_place(pointwise.floor)
    ceil_ = in_place(pointwise.ceil)
    round_ = in_place(pointwise.round)
    trunc_ = in_place(pointwise.trunc)
    fix_ = in_place(pointwise.fix)
    exp_ = in_place(pointwise.exp)
    expm1_ = in_place(pointwise.expm1)
    log_ = in_place(pointwise.log)
    log1p_ = in_place(pointwise.log1p)
    sqrt_ = in_place(pointwise.sqrt)
    rsqrt_ = in_place(pointwise.rsqrt)
    sin_ = in_place(pointwise.sin)
    cos_ = in_place(pointwise.cos)
    tanh_ = in_place(pointwise.tanh)
    sigmoid_ = in_place(pointwise.sigmoid)
    erf_ = in_place(pointwise.erf)
    relu_ = in_place(pointwise.relu)
    square_ = in_place(pointwise.square)
    reciprocal_ = in_place(pointwise.reciprocal)
    clamp_ = in_place(pointwise.clamp)
    clip_ = in_place(pointwise.clip)
    clamp_min_ = in_place(pointwise.clamp_min)
    clamp_max_ = in_place(pointwise.clamp_max)
    lerp_ = in_place(pointwise.lerp)
    addcmul_ = in_place(pointwise.addcmul)
    addcdiv_ = in_place(pointwise.addcdiv)
    eq_ = in_place(pointwise.eq)
    ne_ = not_equal_ = in_place(pointwise.ne)
    lt_ = less_ = in_place(pointwise.lt)
    le_ = less_equal_ = in_place(pointwise.le)
    gt_ = greater_ = in_place(pointwise.gt)
    ge_ = greater_equal_ = in_place(pointwise.ge)
    logical_not_ = in_place(pointwise.logical_not)
    logical_and_ = in_place(pointwise.logical_and)
    logical_or_ = in_place(pointwise.logical_or)
    logical_xor_ = in_place(pointwise.logical_xor)

    def float_power_(self: Any, exponent: Any) -> Any:
        """Rebind this float64 tensor to its power; float_power computes in float64."""
        if self.dtype is not dtypes.float64:
            raise ArgumentError(f"a float64 result does not fit a {self.dtype} tensor: use pow_")
        self._write(pointwise.float_power(self, exponent))
        return self

    def where(self: Any, condition: Any, other: Any) -> Any:
        """This tensor where the condition holds, other elsewhere."""
        return pointwise.where(condition, self, other)
