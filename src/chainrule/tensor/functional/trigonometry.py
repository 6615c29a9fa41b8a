"""Trigonometric and hyperbolic functions, their inverses, angles and lengths.

Example: `atan2(y, x)`.
Ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, floating
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.forms import floating_of, floating_pair_of, with_out

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "hypot", "rad2deg",
    "sin", "sinc", "sinh", "tan", "tanh",
]  # fmt: skip


sin = floating_of(TABLE["sin"], "Sine of input in radians.")
cos = floating_of(TABLE["cos"], "Cosine of input in radians.")
tanh = floating_of(TABLE["tanh"], "Hyperbolic tangent; its derivative is exact in the tails.")
tan = floating_of(TABLE["tan"], "Tangent of input in radians.")
asin = floating_of(TABLE["asin"], "The angle in [-π/2, π/2] whose sine is input; NaN outside ±1.")
acos = floating_of(TABLE["acos"], "The angle in [0, π] whose cosine is input; NaN outside ±1.")
atan = floating_of(TABLE["atan"], "The angle in [-π/2, π/2] whose tangent is input.")
sinh = floating_of(TABLE["sinh"], "(exp(input) - exp(-input)) / 2.")
cosh = floating_of(TABLE["cosh"], "(exp(input) + exp(-input)) / 2.")
asinh = floating_of(TABLE["asinh"], "log(input + √(input² + 1)).")
acosh = floating_of(TABLE["acosh"], "log(input + √(input² - 1)); NaN below 1.")
atanh = floating_of(TABLE["atanh"], "log((1 + input) / (1 - input)) / 2; NaN outside ±1.")
atan2 = floating_pair_of(TABLE["atan2"], "The angle of (other, input) in (-π, π].")
hypot = floating_pair_of(TABLE["hypot"], "√(input² + other²), without overflow.")


@with_out
def deg2rad(input: Operand) -> Tensor:
    """input · π / 180."""
    return arithmetic.mul(floating(input), math.pi / 180)


@with_out
def rad2deg(input: Operand) -> Tensor:
    """input · 180 / π."""
    return arithmetic.mul(floating(input), 180 / math.pi)


@with_out
def sinc(input: Operand) -> Tensor:
    """sin(π·input) / (π·input), 1 at 0; near 0 its series, whose derivatives do not cancel."""
    angle = arithmetic.mul(floating(input), math.pi)
    near = comparison.lt(arithmetic.abs(angle), 1)
    small, far = comparison.where(near, angle, 0.0), comparison.where(near, 1.0, angle)
    square = arithmetic.mul(small, small)
    series: Operand = 1.0
    for n in range(9, 0, -1):
        series = arithmetic.sub(
            1, arithmetic.mul(arithmetic.div(square, 2 * n * (2 * n + 1)), series)
        )
    return comparison.where(near, series, arithmetic.div(sin(far), far))


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
