"""Special functions: of the gamma family, of Bessel's, and of the normal distribution.

Example: `lgamma(n + 1)` is log n!. Errors are those of the op of the same name in `ops/`.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating, operands
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import pointwise
from chainrule.tensor.functional.elementary import erfc
from chainrule.tensor.functional.forms import floating_of, with_out
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["digamma", "i0", "lgamma", "mvlgamma", "polygamma"]

lgamma = floating_of(TABLE["lgamma"], "log |Γ(input)|: ∞ at 0, -1, -2, …")
digamma = floating_of(TABLE["digamma"], "ψ(input) = Γ'(input) / Γ(input); NaN at -1, -2, …")
i0 = floating_of(TABLE["i0"], "The modified Bessel function of the first kind, order 0.")
i1 = floating_of(TABLE["i1"], "The modified Bessel function of the first kind, order 1.")
i0e = floating_of(TABLE["i0e"], "exp(-|input|) · i0(input), without overflow.")
i1e = floating_of(TABLE["i1e"], "exp(-|input|) · i1(input), without overflow.")
erfcx = floating_of(TABLE["erfcx"], "exp(input²) · erfc(input), without underflow.")
ndtri = floating_of(TABLE["ndtri"], "The number below which a standard normal one lies so often.")

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 12  # terms of the zeta function that are added one by one


_MOST_DERIVATIVES = 170  # whose factorial is the largest in float64


@with_out
def polygamma(n: int, input: Operand) -> Tensor:
    """The n-th derivative of ψ = digamma, n ≥ 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.polygamma.html
    """
    if check_whole("polygamma: n", n) > _MOST_DERIVATIVES:
        raise ArgumentError(f"polygamma of n = {n} is beyond float64: n is at most 170")
    if n < 0:
        raise ArgumentError(f"polygamma is the n-th derivative of digamma, n ≥ 0, not {n}")
    return digamma(input) if n == 0 else apply(TABLE["polygamma"], floating(input), n=n)


@with_out
def mvlgamma(input: Operand, p: int) -> Tensor:
    """log Γ_p(a) = log π · p(p - 1)/4 + Σ lgamma(a - j/2) over j < p, for a > (p - 1)/2.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mvlgamma.html
    """
    a = floating(input)
    if p < 1:
        raise ArgumentError(f"mvlgamma needs a dimension p ≥ 1, not {p}")
    least = (p - 1) / 2
    a = require(f"mvlgamma of dimension {p}", a, lambda v: v > least, f"elements are above {least}")
    total = lgamma(a)
    for j in range(1, p):
        total = pointwise.add(total, lgamma(pointwise.sub(a, j / 2)))
    return pointwise.add(total, math.log(math.pi) * p * (p - 1) / 4)


@with_out
def ndtr(input: Operand) -> Tensor:
    """How often a standard normal number lies below input: erfc(-input/√2) / 2."""
    return pointwise.mul(erfc(pointwise.mul(floating(input), -math.sqrt(0.5))), 0.5)


@with_out
def log_ndtr(input: Operand) -> Tensor:
    """log ndtr(input), exact in both tails."""
    x = floating(input)
    left = pointwise.lt(x, -1)
    low, high = pointwise.where(left, x, -1.0), pointwise.where(left, -1.0, x)
    tail = pointwise.mul(erfcx(pointwise.mul(low, -math.sqrt(0.5))), 0.5)
    below = pointwise.sub(pointwise.log(tail), pointwise.mul(pointwise.square(low), 0.5))
    rest = pointwise.mul(erfc(pointwise.mul(high, math.sqrt(0.5))), -0.5)
    return pointwise.where(left, below, pointwise.log1p(rest))


@with_out
def entr(input: Operand) -> Tensor:
    """-input · log(input): 0 at 0, -∞ below."""
    x = floating(input)
    inside, origin = pointwise.gt(x, 0), pointwise.eq(x, 0)
    safe = pointwise.where(inside, x, 1.0)
    out = pointwise.neg(pointwise.mul(safe, pointwise.log(safe)))
    edge = pointwise.sqrt(pointwise.where(origin, pointwise.add(x, 0.0), 1.0))  # as steep at 0
    beyond = pointwise.where(pointwise.lt(x, 0), -math.inf, x)
    return pointwise.where(inside, out, pointwise.where(origin, edge, beyond))


@with_out
def xlog1py(input: Operand, other: Operand) -> Tensor:
    """Input · log1p(other), 0 where input is 0 and other is not NaN."""
    x, y = (floating(v) for v in operands(input, other))
    unbounded = pointwise.logical_or(pointwise.le(y, -1), pointwise.eq(y, math.inf))
    void = pointwise.logical_and(pointwise.eq(x, 0), unbounded)
    return pointwise.where(
        void, 0.0, pointwise.mul(x, pointwise.log1p(pointwise.where(void, 0.0, y)))
    )


@with_out
def zeta(input: Operand, other: Operand) -> Tensor:
    """Hurwitz' Σ 1 / (k + other)^input over k ≥ 0, for input > 1 and other > 0; else ∞ or NaN.

    Twelve terms, then Euler and Maclaurin's formula, in float64.
    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.zeta
    """
    x, q = (floating(v) for v in operands(input, other))
    legal = pointwise.logical_and(pointwise.gt(x, 1), pointwise.gt(q, 0))
    s = pointwise.where(legal, cast(x, dtypes.float64), 2.0)
    start = pointwise.where(legal, cast(q, dtypes.float64), 1.0)
    total = pointwise.pow(start, pointwise.neg(s))
    for k in range(1, _SHIFT):
        total = pointwise.add(total, pointwise.pow(pointwise.add(start, k), pointwise.neg(s)))
    w = pointwise.add(start, _SHIFT)
    last = pointwise.pow(w, pointwise.neg(s))
    inverse, rising = pointwise.reciprocal(w), s  # s·(s + 1)·…·(s + 2j - 2)
    rest = pointwise.add(pointwise.div(w, pointwise.sub(s, 1)), 0.5)
    power = inverse
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        term = pointwise.mul(rising, power)
        rest = pointwise.add(rest, pointwise.mul(term, bernoulli / math.factorial(2 * j)))
        step = pointwise.mul(pointwise.add(s, 2 * j - 1), pointwise.add(s, 2 * j))
        rising = pointwise.mul(rising, step)
        power = pointwise.mul(power, pointwise.square(inverse))
    total = cast(pointwise.add(total, pointwise.mul(last, rest)), x.dtype)
    pole = pointwise.eq(q, pointwise.floor(q))
    edge = pointwise.where(pointwise.logical_or(pointwise.eq(x, 1), pole), math.inf, math.nan)
    edge = pointwise.where(pointwise.lt(x, 1), math.nan, edge)
    return pointwise.where(legal, total, as_tensor(edge))
