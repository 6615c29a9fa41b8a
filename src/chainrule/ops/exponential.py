"""Exponentials, logarithms, powers, trigonometry and the sigmoid family.

Derivatives reuse the result where that is exact (exp' = exp) and avoid cancellation in the tails:
tanh' and sigmoid' come from exponentials, not from 1 - out. Example: `exp` is one `record(…)`.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.graph.node import Node
from chainrule.kernel import scalar
from chainrule.kernel.erf import erf as error_function
from chainrule.ops.arithmetic import abs_, add, copysign, div, mul, neg, sub
from chainrule.ops.compare import eq, ge, gt, logical_and, logical_not, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.record import OUT, Builder, Formula, Op

exp = record(
    "exp",
    np.exp,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, node),),
    saves=(OUT,),
    kinds=FLOATS,
    formula=Formula("exp(x)", ("out",)),
)
expm1 = record(
    "expm1",
    np.expm1,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, b(add, node, filled(b, 1, ct))),),
    saves=(OUT,),
    kinds=FLOATS,
    formula=Formula("expm1(x)", ("out + 1",)),
)
log = record(
    "log",
    np.log,
    1,
    vjp=lambda b, node, ct: (b(div, ct, node.inputs[0]),),
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("log(x)", ("1 / x",)),
    domain=(0.2, 4.0),
)
log1p = record(
    "log1p",
    np.log1p,
    1,
    vjp=lambda b, node, ct: (b(div, ct, b(add, node.inputs[0], filled(b, 1, ct))),),
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("log1p(x)", ("1 / (1 + x)",)),
    domain=(-0.5, 4.0),
)
sqrt = record(
    "sqrt",
    np.sqrt,
    1,
    vjp=lambda b, node, ct: (b(div, ct, b(add, node, node)),),
    saves=(OUT,),
    kinds=FLOATS,
    formula=Formula("sqrt(x)", ("1 / (2 * out)",)),
    domain=(0.2, 4.0),
)


def _rsqrt_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    cube = b(mul, node, b(mul, node, node))
    return (b(mul, ct, b(mul, cube, filled(b, -0.5, ct))),)


rsqrt = record(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    1,
    vjp=_rsqrt_vjp,
    saves=(OUT,),
    kinds=FLOATS,
    formula=Formula("1 / sqrt(x)", ("-0.5 * out ** 3",)),
    domain=(0.2, 4.0),
)
sin = record(
    "sin",
    np.sin,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, b(cos, node.inputs[0])),),
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("sin(x)", ("cos(x)",)),
    nasty=(0.0, 1e3, np.inf, np.nan),
)
cos: Op = record(
    "cos",
    np.cos,
    1,
    vjp=lambda b, node, ct: (b(neg, b(mul, ct, b(sin, node.inputs[0]))),),
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("cos(x)", ("-sin(x)",)),
    nasty=(0.0, 1e3, np.inf, np.nan),
)


def _tanh_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # With t = exp(-2|x|): 1 - tanh² = 4t / (1 + t)², without cancellation in the tails. |x| is
    # x times its sign, for the rule is smooth at 0, where the derivative of abs would be 0
    x, one = node.inputs[0], filled(b, 1, ct)
    t = b(exp, b(mul, x, b(neg, b(copysign, filled(b, 2, ct), x))))
    below = b(add, one, t)
    return (b(mul, ct, b(div, b(mul, t, filled(b, 4, ct)), b(mul, below, below))),)


tanh = record(
    "tanh",
    np.tanh,
    1,
    vjp=_tanh_vjp,
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("tanh(x)", ("1 / cosh(x) ** 2",)),
)


def _sigmoid_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # σ'(x) = σ(x)σ(-x): exact in both tails, where 1 - σ(x) would cancel
    return (b(mul, ct, b(mul, node, b(sigmoid, b(neg, node.inputs[0])))),)


sigmoid = record(
    "sigmoid",
    scalar.sigmoid,
    1,
    vjp=_sigmoid_vjp,
    saves=(0, OUT),
    kinds=FLOATS,
    formula=Formula("1 / (1 + exp(-x))", ("out / (1 + exp(x))",)),
)


def _erf_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    x = node.inputs[0]
    bell = b(exp, b(neg, b(mul, x, x)))
    return (b(mul, ct, b(mul, bell, filled(b, 2 / math.sqrt(math.pi), ct))),)


erf = record(
    "erf",
    error_function,
    1,
    vjp=_erf_vjp,
    saves=(0,),
    kinds=FLOATS,
    formula=Formula("erf(x)", ("2 / sqrt(pi) * exp(-x * x)",)),
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


pow_ = record(
    "pow",
    np.power,
    2,
    vjp=_pow_vjp,
    saves=(0, 1, OUT),
    kinds=FLOATS,
    formula=Formula("x ** y", ("y * x ** (y - 1)", "out * log(x)")),
    domain=(0.5, 2.0),
    nasty=(0.0, 1.0, 2.0, -1.0, 0.5, np.inf, np.nan),
)


TABLE = (exp, expm1, log, log1p, sqrt, rsqrt, sin, cos, tanh, sigmoid, erf, pow_)
