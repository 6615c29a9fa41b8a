"""Exponentials, logarithms, roots and powers.

Derivatives reuse the result where that is exact: exp' = exp. Integers to the power of integers are
exact, modulo 2^bits; a negative exponent gives what is left of the fraction: 1 or -1 of these two,
else 0. Example: `logaddexp(x, y)` = log(exp x + exp y), without overflow.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.activation import sigmoid
from chainrule.ops.arithmetic import abs_, mul, neg, sub
from chainrule.ops.comparison import eq, ge, gt, logical_and, logical_not, ne, no_gradient, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, INTEGERS, elementwise
from chainrule.ops.expression import Number
from chainrule.ops.record import OUT, Array, Builder

exp = elementwise("exp", "exp(x)", "out", kinds=FLOATS)
expm1 = elementwise("expm1", "expm1(x)", "out + 1", kinds=FLOATS)
exp2 = elementwise("exp2", "exp2(x)", "out * log(2)", kernel="2 ** x", kinds=FLOATS)
log = elementwise("log", "log(x)", "1 / x", kinds=FLOATS, domain=(0.2, 4.0))
log1p = elementwise("log1p", "log1p(x)", "1 / (1 + x)", kinds=FLOATS, domain=(-0.5, 4.0))
log2 = elementwise(
    "log2", "log2(x)", "1 / (x * log(2))", kernel="log(x) / log(2)", kinds=FLOATS, domain=(0.2, 4.0)
)
log10 = elementwise(
    "log10", "log10(x)", "1 / (x * log(10))", kernel="log(x) / log(10)",
    kinds=FLOATS, domain=(0.2, 4.0),
)  # fmt: skip
sqrt = elementwise(
    "sqrt", "sqrt(x)", "1 / (2 * out)", vjp=("1 / (out + out)",), kinds=FLOATS, domain=(0.2, 4.0)
)
rsqrt = elementwise(
    "rsqrt", "1 / sqrt(x)", "-0.5 * out ** 3", kernel="rsqrt(x)", kinds=FLOATS, domain=(0.2, 4.0)
)


def _pow_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    one, zero = filled(b, 1, y), filled(b, 0, y)
    # d/dx = y·x^(y-1); where y = 0 and 1/x is no number, 0·x, so that what follows is 0 as well
    still = b(eq, y, zero)
    undone = b(where, still, b(logical_not, b(gt, b(abs_, x), zero)), filled(b, False, still))
    slope = b(mul, y, b(pow_, x, b(where, undone, one, b(sub, y, one))))
    slope = b(where, undone, zero, slope)
    # d/dy = out·log x, zero where x = 0 and y ≥ 0
    flat = b(logical_and, b(eq, x, zero), b(ge, y, zero))
    logged = b(mul, node, b(log, b(where, flat, one, x)))
    return b(mul, ct, slope), b(mul, ct, logged)


pow_ = elementwise(
    "pow", "x ** y", "y * x ** (y - 1)", "out * log(x)", vjp=_pow_vjp, saves=(0, 1, OUT),
    kinds=FLOATS, domain=(0.5, 2.0), nasty=(0.0, 1.0, 2.0, -1.0, 0.5, np.inf, np.nan),
)  # fmt: skip


def _power(x: Array, y: Array) -> Array:
    out = np.power(x, np.maximum(y, 0))
    if x.dtype.kind == "u" or not (y < 0).any():
        return out
    parts = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0)).astype(x.dtype)
    return np.where(y < 0, parts, out)


def _squared(x: Number, y: Number) -> Number:
    """Repeated squaring, one step for each bit of the exponent."""
    signed = x.dtype.is_signed
    square: Number = x
    out: Number | int = 1
    for bit in range(8 * x.dtype.itemsize - signed):
        odd = y.call("bitwise_and", 1 << bit) != 0
        out = odd.where(out * square, out)
        square = square * square
    assert isinstance(out, Number)
    if not signed:
        return out
    flip = 1 - 2 * y.call("bitwise_and", 1)
    parts = (x == 1).where(1, (x == -1).where(flip, 0))
    return (y < 0).where(parts, out)


whole_power = elementwise(
    "whole_power", "x ** y", numpy=_power, kernel=_squared, vjp=no_gradient,
    kinds=INTEGERS, domain=(-3.0, 6.0),
)  # fmt: skip


def _logaddexp_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    # exp(x) / (exp(x) + exp(y)) = σ(x - y); equal infinities, whose difference is NaN, share
    x, y = node.inputs
    apart = b(sub, x, y)
    infinite = b(logical_and, b(eq, x, y), b(ne, apart, apart))
    apart = b(where, infinite, filled(b, 0, x), apart)
    return b(mul, ct, b(sigmoid, apart)), b(mul, ct, b(sigmoid, b(neg, apart)))


def _logaddexp(x: Number, y: Number) -> Number:
    apart = (x == y).where(0, abs(x - y))
    return x.call("maximum", y) + (-apart).call("exp").call("log1p")


logaddexp = elementwise(
    "logaddexp", "log(exp(x) + exp(y))", "1 / (1 + exp(y - x))", "1 / (1 + exp(x - y))",
    numpy=np.logaddexp, kernel=_logaddexp, vjp=_logaddexp_vjp, saves=(0, 1), kinds=FLOATS,
)  # fmt: skip

TABLE = (
    exp, expm1, exp2, log, log1p, log2, log10, sqrt, rsqrt, pow_, whole_power, logaddexp
)  # fmt: skip
