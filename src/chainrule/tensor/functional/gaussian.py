"""The error function, the normal distribution and their inverses.

Example: `ndtri(0.975)` = 1.95996.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, floating
from chainrule.tensor.functional import arithmetic, comparison, exponential
from chainrule.tensor.functional.forms import floating_of, with_out

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["erf", "erfc", "erfinv"]


erf = floating_of(TABLE["erf"], "The error function 2/√π ∫₀ˣ exp(-t²) dt.")
erfc = floating_of(TABLE["erfc"], "1 - erf(input), without cancellation.")
erfinv = floating_of(TABLE["erfinv"], "The number whose erf is input; NaN outside ±1.")
erfcx = floating_of(TABLE["erfcx"], "exp(input²) · erfc(input), without underflow.")
ndtri = floating_of(TABLE["ndtri"], "The number below which a standard normal one lies so often.")


@with_out
def ndtr(input: Operand) -> Tensor:
    """How often a standard normal number lies below input: erfc(-input/√2) / 2."""
    return arithmetic.mul(erfc(arithmetic.mul(floating(input), -math.sqrt(0.5))), 0.5)


@with_out
def log_ndtr(input: Operand) -> Tensor:
    """log ndtr(input), exact in both tails."""
    x = floating(input)
    left = comparison.lt(x, -1)
    low, high = comparison.where(left, x, -1.0), comparison.where(left, -1.0, x)
    tail = arithmetic.mul(erfcx(arithmetic.mul(low, -math.sqrt(0.5))), 0.5)
    below = arithmetic.sub(exponential.log(tail), arithmetic.mul(arithmetic.square(low), 0.5))
    rest = arithmetic.mul(erfc(arithmetic.mul(high, math.sqrt(0.5))), -0.5)
    return comparison.where(left, below, exponential.log1p(rest))
