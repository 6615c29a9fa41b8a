"""Functions of the gamma family, and Hurwitz' zeta function. Example: `lgamma(n + 1)` is log n!.

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
from chainrule.tensor.functional import arithmetic, comparison, exponential
from chainrule.tensor.functional.forms import floating_of, with_out
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["digamma", "lgamma", "mvlgamma", "polygamma"]


lgamma = floating_of(TABLE["lgamma"], "log |Γ(input)|: ∞ at 0, -1, -2, …")
digamma = floating_of(TABLE["digamma"], "ψ(input) = Γ'(input) / Γ(input); NaN at -1, -2, …")
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 12  # terms of the zeta function that are added one by one
_MOST_DERIVATIVES = 170  # whose factorial is the largest in float64


@with_out
def polygamma(n: int, input: Operand) -> Tensor:
    """The n-th derivative of ψ = digamma, n ≥ 0."""
    if check_whole("polygamma: n", n) > _MOST_DERIVATIVES:
        raise ArgumentError(f"polygamma of n = {n} is beyond float64: n is at most 170")
    if n < 0:
        raise ArgumentError(f"polygamma is the n-th derivative of digamma, n ≥ 0, not {n}")
    return digamma(input) if n == 0 else apply(TABLE["polygamma"], floating(input), n=n)


@with_out
def mvlgamma(input: Operand, p: int) -> Tensor:
    """log Γ_p(a) = log π · p(p - 1)/4 + Σ lgamma(a - j/2) over j < p, for a > (p - 1)/2."""
    a = floating(input)
    if p < 1:
        raise ArgumentError(f"mvlgamma needs a dimension p ≥ 1, not {p}")
    least = (p - 1) / 2
    a = require(f"mvlgamma of dimension {p}", a, lambda v: v > least, f"elements are above {least}")
    total = lgamma(a)
    for j in range(1, p):
        total = arithmetic.add(total, lgamma(arithmetic.sub(a, j / 2)))
    return arithmetic.add(total, math.log(math.pi) * p * (p - 1) / 4)


@with_out
def zeta(input: Operand, other: Operand) -> Tensor:
    """Hurwitz' Σ 1 / (k + other)^input over k ≥ 0, for input > 1 and other > 0; else ∞ or NaN.

    Twelve terms, then Euler and Maclaurin's formula, in float64.
    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.zeta
    """
    x, q = (floating(v) for v in operands(input, other))
    legal = comparison.logical_and(comparison.gt(x, 1), comparison.gt(q, 0))
    s = comparison.where(legal, cast(x, dtypes.float64), 2.0)
    start = comparison.where(legal, cast(q, dtypes.float64), 1.0)
    total = exponential.pow(start, arithmetic.neg(s))
    for k in range(1, _SHIFT):
        total = arithmetic.add(total, exponential.pow(arithmetic.add(start, k), arithmetic.neg(s)))
    w = arithmetic.add(start, _SHIFT)
    last = exponential.pow(w, arithmetic.neg(s))
    inverse, rising = arithmetic.reciprocal(w), s  # s·(s + 1)·…·(s + 2j - 2)
    rest = arithmetic.add(arithmetic.div(w, arithmetic.sub(s, 1)), 0.5)
    power = inverse
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        term = arithmetic.mul(rising, power)
        rest = arithmetic.add(rest, arithmetic.mul(term, bernoulli / math.factorial(2 * j)))
        step = arithmetic.mul(arithmetic.add(s, 2 * j - 1), arithmetic.add(s, 2 * j))
        rising = arithmetic.mul(rising, step)
        power = arithmetic.mul(power, arithmetic.square(inverse))
    total = cast(arithmetic.add(total, arithmetic.mul(last, rest)), x.dtype)
    pole = comparison.eq(q, arithmetic.floor(q))
    edge = comparison.where(comparison.logical_or(comparison.eq(x, 1), pole), math.inf, math.nan)
    edge = comparison.where(comparison.lt(x, 1), math.nan, edge)
    return comparison.where(legal, total, as_tensor(edge))
