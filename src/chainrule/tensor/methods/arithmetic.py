"""Arithmetic as methods of `Tensor`. Example: `x.add(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import arithmetic
from chainrule.tensor.methods.in_place import in_place


class ArithmeticMethods:
    """A part of `Methods`."""

    __slots__ = ()

    add = arithmetic.add
    sub = arithmetic.sub
    subtract = arithmetic.subtract
    mul = arithmetic.mul
    multiply = arithmetic.multiply
    div = arithmetic.div
    divide = arithmetic.divide
    true_divide = arithmetic.true_divide
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    fmod = arithmetic.fmod
    neg = arithmetic.neg
    negative = arithmetic.negative
    abs = arithmetic.abs
    absolute = arithmetic.absolute
    sign = arithmetic.sign
    sgn = arithmetic.sgn
    floor = arithmetic.floor
    ceil = arithmetic.ceil
    round = arithmetic.round
    trunc = arithmetic.trunc
    fix = arithmetic.fix
    square = arithmetic.square
    reciprocal = arithmetic.reciprocal
    addcmul = arithmetic.addcmul
    addcdiv = arithmetic.addcdiv
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    copysign = arithmetic.copysign
    frac = arithmetic.frac
    positive = arithmetic.positive

    # in place
    add_ = in_place(arithmetic.add)
    sub_ = in_place(arithmetic.sub)
    subtract_ = in_place(arithmetic.subtract)
    mul_ = in_place(arithmetic.mul)
    multiply_ = in_place(arithmetic.multiply)
    div_ = in_place(arithmetic.div)
    divide_ = in_place(arithmetic.divide)
    true_divide_ = in_place(arithmetic.true_divide)
    floor_divide_ = in_place(arithmetic.floor_divide)
    remainder_ = in_place(arithmetic.remainder)
    fmod_ = in_place(arithmetic.fmod)
    neg_ = in_place(arithmetic.neg)
    negative_ = in_place(arithmetic.negative)
    abs_ = in_place(arithmetic.abs)
    absolute_ = in_place(arithmetic.absolute)
    sign_ = in_place(arithmetic.sign)
    sgn_ = in_place(arithmetic.sgn)
    floor_ = in_place(arithmetic.floor)
    ceil_ = in_place(arithmetic.ceil)
    round_ = in_place(arithmetic.round)
    trunc_ = in_place(arithmetic.trunc)
    fix_ = in_place(arithmetic.fix)
    square_ = in_place(arithmetic.square)
    reciprocal_ = in_place(arithmetic.reciprocal)
    addcmul_ = in_place(arithmetic.addcmul)
    addcdiv_ = in_place(arithmetic.addcdiv)
    copysign_ = in_place(arithmetic.copysign)
    frac_ = in_place(arithmetic.frac)
