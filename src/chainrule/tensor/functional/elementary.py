"""Elementary functions beyond those of `pointwise`: trigonometric, hyperbolic, logarithms to bases.

Example: `atan2(y, x)`; ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating, operands
from chainrule.tensor.functional import pointwise
from chainrule.tensor.functional.forms import floating_of, floating_pair_of, with_out
from chainrule.tensor.functional.pointwise import where

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "copysign",
    "cosh",
    "deg2rad",
    "erfc",
    "erfinv",
    "exp2",
    "fmax",
    "fmin",
    "frac",
    "heaviside",
    "hypot",
    "ldexp",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "nan_to_num",
    "positive",
    "rad2deg",
    "sinc",
    "sinh",
    "tan",
    "xlogy",
]

tan = floating_of(TABLE["tan"], "Tangent of input in radians.")
asin = floating_of(TABLE["asin"], "The angle in [-π/2, π/2] whose sine is input; NaN outside ±1.")
acos = floating_of(TABLE["acos"], "The angle in [0, π] whose cosine is input; NaN outside ±1.")
atan = floating_of(TABLE["atan"], "The angle in [-π/2, π/2] whose tangent is input.")
sinh = floating_of(TABLE["sinh"], "(exp(input) - exp(-input)) / 2.")
cosh = floating_of(TABLE["cosh"], "(exp(input) + exp(-input)) / 2.")
asinh = floating_of(TABLE["asinh"], "log(input + √(input² + 1)).")
acosh = floating_of(TABLE["acosh"], "log(input + √(input² - 1)); NaN below 1.")
atanh = floating_of(TABLE["atanh"], "log((1 + input) / (1 - input)) / 2; NaN outside ±1.")
exp2 = floating_of(TABLE["exp2"], "2 to the power of input.")
log2 = floating_of(TABLE["log2"], "Logarithm to base 2: -inf at 0, NaN below.")
log10 = floating_of(TABLE["log10"], "Logarithm to base 10: -inf at 0, NaN below.")
erfc = floating_of(TABLE["erfc"], "1 - erf(input), without cancellation.")
erfinv = floating_of(TABLE["erfinv"], "The number whose erf is input; NaN outside ±1.")
atan2 = floating_pair_of(TABLE["atan2"], "The angle of (other, input) in (-π, π].")
hypot = floating_pair_of(TABLE["hypot"], "√(input² + other²), without overflow.")
copysign = floating_pair_of(TABLE["copysign"], "|input| with the sign of other.")
logaddexp = floating_pair_of(TABLE["logaddexp"], "log(exp(input) + exp(other)), no overflow.")


@with_out
def logaddexp2(input: Operand, other: Operand) -> Tensor:
    """log2(2^input + 2^other), without overflow."""
    base = math.log(2)
    total = logaddexp(pointwise.mul(input, base), pointwise.mul(other, base))
    return pointwise.div(total, base)


@with_out
def deg2rad(input: Operand) -> Tensor:
    """Input · π / 180."""
    return pointwise.mul(floating(input), math.pi / 180)


@with_out
def rad2deg(input: Operand) -> Tensor:
    """Input · 180 / π."""
    return pointwise.mul(floating(input), 180 / math.pi)


def positive(input: Operand) -> Tensor:
    """The input itself."""
    return as_tensor(input)


@with_out
def frac(input: Operand) -> Tensor:
    """What `trunc` cuts off, with the sign of input."""
    return pointwise.sub(input, pointwise.trunc(input))


@with_out
def ldexp(input: Operand, other: Operand) -> Tensor:
    """Input · 2^other."""
    return pointwise.mul(input, exp2(other))


@with_out
def sinc(input: Operand) -> Tensor:
    """sin(π·input) / (π·input), 1 at 0; near 0 its series, whose derivatives do not cancel."""
    angle = pointwise.mul(floating(input), math.pi)
    near = pointwise.lt(pointwise.abs(angle), 1)
    small, far = where(near, angle, 0.0), where(near, 1.0, angle)
    square = pointwise.mul(small, small)
    series: Operand = 1.0
    for n in range(9, 0, -1):
        series = pointwise.sub(1, pointwise.mul(pointwise.div(square, 2 * n * (2 * n + 1)), series))
    return where(near, series, pointwise.div(pointwise.sin(far), far))


@with_out
def logit(input: Operand, eps: float | None = None) -> Tensor:
    """log(p / (1 - p)), with p = input limited to [eps, 1 - eps] if eps is given."""
    p = floating(input)
    if eps is not None:
        p = pointwise.clamp(p, eps, 1 - eps)
    return pointwise.sub(pointwise.log(p), pointwise.log1p(pointwise.neg(p)))


@with_out
def xlogy(input: Operand, other: Operand) -> Tensor:
    """Input · log(other), 0 where input is 0 and other is not NaN."""
    x, y = operands(input, other)
    x, y = floating(x), floating(y)
    unbounded = pointwise.logical_or(pointwise.le(y, 0), pointwise.eq(y, math.inf))
    void = pointwise.logical_and(pointwise.eq(x, 0), unbounded)
    return where(void, 0.0, pointwise.mul(x, pointwise.log(where(void, 1.0, y))))


@with_out
def heaviside(input: Operand, values: Operand) -> Tensor:
    """0 where input is negative, 1 where positive, values where it is 0; no gradient."""
    x, at_zero = operands(input, values)
    step = cast(pointwise.gt(x, 0), x.dtype)
    return where(pointwise.eq(x, 0), at_zero, step).detach()


@with_out
def nan_to_num(
    input: Operand,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Input with NaN as 0 and infinities as the largest finite numbers, or as given."""
    x = as_tensor(input)
    if x.dtype.kind != "float":
        return x
    largest = x.dtype.largest
    y = where(pointwise.eq(x, math.inf), largest if posinf is None else posinf, x)
    y = where(pointwise.eq(x, -math.inf), -largest if neginf is None else neginf, y)
    return where(pointwise.ne(x, x), 0.0 if nan is None else nan, y)


def _ignoring_nan(input: Operand, other: Operand, wins: Callable[..., Tensor]) -> Tensor:
    x, y = operands(input, other)
    return where(pointwise.logical_or(wins(x, y), pointwise.ne(y, y)), x, y)


@with_out
def fmax(input: Operand, other: Operand) -> Tensor:
    """The larger of two, input at a tie; the other one where one is NaN."""
    return _ignoring_nan(input, other, pointwise.ge)


@with_out
def fmin(input: Operand, other: Operand) -> Tensor:
    """The smaller of two, input at a tie; the other one where one is NaN."""
    return _ignoring_nan(input, other, pointwise.le)


# PyTorch's other names
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
