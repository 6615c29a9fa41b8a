"""Elementwise functions as methods of `Tensor`. Example: `x.add(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import pointwise
from chainrule.tensor.methods.in_place import in_place


class PointwiseMethods:
    """A part of `Methods`."""

    __slots__ = ()

    add = pointwise.add
    sub = pointwise.sub
    mul = pointwise.mul
    div = pointwise.div
    floor_divide = pointwise.floor_divide
    remainder = pointwise.remainder
    pow = pointwise.pow
    neg = pointwise.neg
    abs = pointwise.abs
    sign = pointwise.sign
    floor = pointwise.floor
    ceil = pointwise.ceil
    round = pointwise.round
    trunc = pointwise.trunc
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
    clip = pointwise.clamp
    lerp = pointwise.lerp
    maximum = pointwise.maximum
    minimum = pointwise.minimum
    eq = pointwise.eq
    ne = pointwise.ne
    lt = pointwise.lt
    le = pointwise.le
    gt = pointwise.gt
    ge = pointwise.ge
    logical_not = pointwise.logical_not
    logical_and = pointwise.logical_and
    logical_or = pointwise.logical_or
    isnan = pointwise.isnan
    isinf = pointwise.isinf
    isfinite = pointwise.isfinite

    # in place
    add_ = in_place(pointwise.add)
    sub_ = in_place(pointwise.sub)
    mul_ = in_place(pointwise.mul)
    div_ = in_place(pointwise.div)
    pow_ = in_place(pointwise.pow)
    neg_ = in_place(pointwise.neg)
    exp_ = in_place(pointwise.exp)
    log_ = in_place(pointwise.log)
    sqrt_ = in_place(pointwise.sqrt)
    tanh_ = in_place(pointwise.tanh)
    relu_ = in_place(pointwise.relu)
    sigmoid_ = in_place(pointwise.sigmoid)
    clamp_ = in_place(pointwise.clamp)
    lerp_ = in_place(pointwise.lerp)
