"""Exponentials, logarithms, powers, trigonometry and the sigmoid family.

Derivatives reuse the result where that is exact (exp' = exp) and avoid cancellation in the tails:
tanh' and sigmoid' come from exponentials, not from 1 - out. Example: `exp` is one `record(…)`.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.arithmetic import abs_, add, copysign, div, mul, neg, sub
from chainrule.ops.compare import eq, ge, gt, logical_and, logical_not, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.record import OUT, Builder

_CIRCLE = (0.0, 1e3, np.inf, np.nan)
exp = record("exp", "exp(x)", "out", kinds=FLOATS)
expm1 = record("expm1", "expm1(x)", "out + 1", kinds=FLOATS)
log = record("log", "log(x)", "1 / x", kinds=FLOATS, domain=(0.2, 4.0))
log1p = record("log1p", "log1p(x)", "1 / (1 + x)", kinds=FLOATS, domain=(-0.5, 4.0))
sqrt = record(
    "sqrt", "sqrt(x)", "1 / (2 * out)", vjp=("1 / (out + out)",), kinds=FLOATS, domain=(0.2, 4.0)
)
rsqrt = record(
    "rsqrt", "1 / sqrt(x)", "-0.5 * out ** 3", kernel="rsqrt(x)", kinds=FLOATS, domain=(0.2, 4.0)
)
sin = record("sin", "sin(x)", "cos(x)", kinds=FLOATS, nasty=_CIRCLE)
cos = record("cos", "cos(x)", "-sin(x)", kinds=FLOATS, nasty=_CIRCLE)


def _tanh_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # With t = exp(-2|x|): 1 - tanh² = 4t / (1 + t)², without cancellation in the tails. |x| is
    # x times its sign, for the rule is smooth at 0, where the derivative of abs would be 0
    x, one = node.inputs[0], filled(b, 1, ct)
    t = b(exp, b(mul, x, b(neg, b(copysign, filled(b, 2, ct), x))))
    below = b(add, one, t)
    return (b(mul, ct, b(div, b(mul, t, filled(b, 4, ct)), b(mul, below, below))),)


tanh = record("tanh", "tanh(x)", "1 / cosh(x) ** 2", vjp=_tanh_vjp, saves=(0,), kinds=FLOATS)
sigmoid = record(
    "sigmoid", "1 / (1 + exp(-x))", "out / (1 + exp(x))", computed="sigmoid(x)", kinds=FLOATS,
    vjp=("out * sigmoid(-x)",),  # exact in both tails, where 1 - out would cancel
)  # fmt: skip
erf = record("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", kinds=FLOATS)


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


pow_ = record(
    "pow", "x ** y", "y * x ** (y - 1)", "out * log(x)", vjp=_pow_vjp, saves=(0, 1, OUT),
    kinds=FLOATS, domain=(0.5, 2.0), nasty=(0.0, 1.0, 2.0, -1.0, 0.5, np.inf, np.nan),
)  # fmt: skip


TABLE = (exp, expm1, log, log1p, sqrt, rsqrt, sin, cos, tanh, sigmoid, erf, pow_)
