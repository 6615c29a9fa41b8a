"""Exponentials, logarithms, roots and powers as methods of `Tensor`. Example: `x.exp()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.tensor.functional import exponential
from chainrule.tensor.methods.in_place import in_place


class ExponentialMethods:
    """A part of `Methods`."""

    __slots__ = ()

    pow = exponential.pow
    float_power = exponential.float_power
    exp = exponential.exp
    expm1 = exponential.expm1
    log = exponential.log
    log1p = exponential.log1p
    sqrt = exponential.sqrt
    rsqrt = exponential.rsqrt
    exp2 = exponential.exp2
    ldexp = exponential.ldexp
    log2 = exponential.log2
    log10 = exponential.log10
    logaddexp = exponential.logaddexp
    logaddexp2 = exponential.logaddexp2
    logit = exponential.logit
    xlogy = exponential.xlogy

    # in place
    pow_ = in_place(exponential.pow)
    exp_ = in_place(exponential.exp)
    expm1_ = in_place(exponential.expm1)
    log_ = in_place(exponential.log)
    log1p_ = in_place(exponential.log1p)
    sqrt_ = in_place(exponential.sqrt)
    rsqrt_ = in_place(exponential.rsqrt)
    exp2_ = in_place(exponential.exp2)
    ldexp_ = in_place(exponential.ldexp)
    log2_ = in_place(exponential.log2)
    log10_ = in_place(exponential.log10)
    logit_ = in_place(exponential.logit)
    xlogy_ = in_place(exponential.xlogy)

    def float_power_(self: Any, exponent: Any) -> Any:
        """Rebind this float64 tensor to its power; float_power computes in float64."""
        if self.dtype is not dtypes.float64:
            raise ArgumentError(f"a float64 result does not fit a {self.dtype} tensor: use pow_")
        self._write(exponential.float_power(self, exponent))
        return self
