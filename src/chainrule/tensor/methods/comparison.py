"""Comparison, logic and choice as methods of `Tensor`. Example: `x.clamp(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.functional import comparison
from chainrule.tensor.methods.in_place import in_place


class ComparisonMethods:
    """A part of `Methods`."""

    __slots__ = ()

    clamp = comparison.clamp
    clip = comparison.clip
    clamp_min = comparison.clamp_min
    clamp_max = comparison.clamp_max
    lerp = comparison.lerp
    eq = comparison.eq
    ne = comparison.ne
    not_equal = comparison.not_equal
    lt = comparison.lt
    less = comparison.less
    le = comparison.le
    less_equal = comparison.less_equal
    gt = comparison.gt
    greater = comparison.greater
    ge = comparison.ge
    greater_equal = comparison.greater_equal
    logical_not = comparison.logical_not
    logical_and = comparison.logical_and
    logical_or = comparison.logical_or
    logical_xor = comparison.logical_xor
    isnan = comparison.isnan
    isinf = comparison.isinf
    isfinite = comparison.isfinite
    fmax = comparison.fmax
    fmin = comparison.fmin
    heaviside = comparison.heaviside
    nan_to_num = comparison.nan_to_num
    isclose = comparison.isclose
    isneginf = comparison.isneginf
    isposinf = comparison.isposinf
    isreal = comparison.isreal
    signbit = comparison.signbit

    def where(self: Any, condition: Any, other: Any) -> Any:
        """This tensor where the condition holds, other elsewhere."""
        return comparison.where(condition, self, other)

    # in place
    clamp_ = in_place(comparison.clamp)
    clip_ = in_place(comparison.clip)
    clamp_min_ = in_place(comparison.clamp_min)
    clamp_max_ = in_place(comparison.clamp_max)
    lerp_ = in_place(comparison.lerp)
    eq_ = in_place(comparison.eq)
    ne_ = not_equal_ = in_place(comparison.ne)
    lt_ = less_ = in_place(comparison.lt)
    le_ = less_equal_ = in_place(comparison.le)
    gt_ = greater_ = in_place(comparison.gt)
    ge_ = greater_equal_ = in_place(comparison.ge)
    logical_not_ = in_place(comparison.logical_not)
    logical_and_ = in_place(comparison.logical_and)
    logical_or_ = in_place(comparison.logical_or)
    logical_xor_ = in_place(comparison.logical_xor)
    heaviside_ = in_place(comparison.heaviside)
    nan_to_num_ = in_place(comparison.nan_to_num)
