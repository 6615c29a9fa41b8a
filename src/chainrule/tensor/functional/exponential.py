"""Exponentials, logarithms, roots and powers. Example: `logaddexp(x, y)`.

Ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating, operands
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.forms import floating_of, floating_pair_of, with_out

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "exp", "exp2", "expm1", "float_power", "ldexp", "log", "log1p", "log2", "log10",
    "logaddexp", "logaddexp2", "logit", "pow", "rsqrt", "sqrt", "xlogy",
]  # fmt: skip


exp = floating_of(TABLE["exp"], "e to the power of input.")
expm1 = floating_of(TABLE["expm1"], "exp(input) - 1, exact near 0.")
log = floating_of(TABLE["log"], "Natural logarithm: -inf at 0, NaN below.")
log1p = floating_of(TABLE["log1p"], "log(1 + input), exact near 0.")
sqrt = floating_of(TABLE["sqrt"], "Square root: NaN below 0, derivative inf at 0.")
rsqrt = floating_of(TABLE["rsqrt"], "1 / sqrt(input).")


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """x · x · … by repeated squaring: exact for integers, which wrap around."""
    out: Tensor | None = None
    while True:
        if exponent & 1:
            out = x if out is None else arithmetic.mul(out, x)
        exponent >>= 1
        if not exponent:
            return apply(TABLE["reshape"], x, shape=x.shape) if out is None else out
        x = arithmetic.mul(x, x)


def _number_power(x: Tensor, exponent: Any) -> Tensor | None:
    """A power with a number as exponent that is cheaper or more exact by other means."""
    if x.dtype.kind != "float":
        if isinstance(exponent, float):
            x = floating(x)
        elif exponent < 0:
            raise ArgumentError(f"integers have no power {exponent}: use x.float() ** {exponent}")
        elif x.dtype is not dtypes.bool_ and exponent:
            return _whole_power(x, exponent)
        else:
            return None
    if exponent in {1, 2, 3}:
        whole = _whole_power(x, int(exponent))
        return apply(TABLE["reshape"], x, shape=x.shape) if whole is x else whole
    if exponent == 0.5:
        return sqrt(x)
    return arithmetic.div(1.0, x) if exponent == -1 else None


@with_out
def pow(input: Operand, exponent: Operand) -> Tensor:
    """Input to the power of exponent; small constant exponents become products and roots."""
    if isinstance(exponent, (int, float)) and not isinstance(input, (int, float)):
        quick = _number_power(as_tensor(input), exponent)
        if quick is not None:
            return quick
    base, power = operands(input, exponent)
    if base.dtype.kind != "float":
        if base.dtype is dtypes.bool_:
            return cast(pow(cast(base, dtypes.uint8), cast(power, dtypes.uint8)), base.dtype)
        return apply(TABLE["whole_power"], base, power)
    return apply(TABLE["pow"], base, power)


@with_out
def float_power(input: Operand, exponent: Operand) -> Tensor:
    """Input to the power of exponent in float64."""
    return apply(TABLE["pow"], *operands(input, exponent, dtype=dtypes.float64))


exp2 = floating_of(TABLE["exp2"], "2 to the power of input.")
log2 = floating_of(TABLE["log2"], "Logarithm to base 2: -inf at 0, NaN below.")
log10 = floating_of(TABLE["log10"], "Logarithm to base 10: -inf at 0, NaN below.")
logaddexp = floating_pair_of(TABLE["logaddexp"], "log(exp(input) + exp(other)), no overflow.")


@with_out
def logaddexp2(input: Operand, other: Operand) -> Tensor:
    """log2(2^input + 2^other), without overflow."""
    base = math.log(2)
    total = logaddexp(arithmetic.mul(input, base), arithmetic.mul(other, base))
    return arithmetic.div(total, base)


@with_out
def ldexp(input: Operand, other: Operand) -> Tensor:
    """input · 2^other."""
    return arithmetic.mul(input, exp2(other))


@with_out
def logit(input: Operand, eps: float | None = None) -> Tensor:
    """log(p / (1 - p)), with p = input limited to [eps, 1 - eps] if eps is given."""
    p = floating(input)
    if eps is not None:
        p = comparison.clamp(p, eps, 1 - eps)
    return arithmetic.sub(log(p), log1p(arithmetic.neg(p)))


@with_out
def xlogy(input: Operand, other: Operand) -> Tensor:
    """input · log(other), 0 where input is 0 and other is not NaN."""
    x, y = operands(input, other)
    x, y = floating(x), floating(y)
    unbounded = comparison.logical_or(comparison.le(y, 0), comparison.eq(y, math.inf))
    void = comparison.logical_and(comparison.eq(x, 0), unbounded)
    return comparison.where(void, 0.0, arithmetic.mul(x, log(comparison.where(void, 1.0, y))))


@with_out
def entr(input: Operand) -> Tensor:
    """-input · log(input): 0 at 0, -∞ below."""
    x = floating(input)
    inside, origin = comparison.gt(x, 0), comparison.eq(x, 0)
    safe = comparison.where(inside, x, 1.0)
    out = arithmetic.neg(arithmetic.mul(safe, log(safe)))
    edge = sqrt(comparison.where(origin, arithmetic.add(x, 0.0), 1.0))  # as steep at 0
    beyond = comparison.where(comparison.lt(x, 0), -math.inf, x)
    return comparison.where(inside, out, comparison.where(origin, edge, beyond))


@with_out
def xlog1py(input: Operand, other: Operand) -> Tensor:
    """input · log1p(other), 0 where input is 0 and other is not NaN."""
    x, y = (floating(v) for v in operands(input, other))
    unbounded = comparison.logical_or(comparison.le(y, -1), comparison.eq(y, math.inf))
    void = comparison.logical_and(comparison.eq(x, 0), unbounded)
    return comparison.where(void, 0.0, arithmetic.mul(x, log1p(comparison.where(void, 0.0, y))))
