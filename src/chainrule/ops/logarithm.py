"""Powers and logarithms to the bases 2 and 10, and the logarithm of a sum of exponentials.

Example: `logaddexp(x, y)` = log(exp x + exp y), without overflow.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.activation import const
from chainrule.ops.arithmetic import div, mul, neg, sub
from chainrule.ops.compare import eq, logical_and, ne, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.exponential import sigmoid
from chainrule.ops.record import OUT, Builder, Formula, Op, Tiles

exp2 = record(
    "exp2",
    np.exp2,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, b(mul, node, filled(b, math.log(2), ct))),),
    saves=(OUT,),
    emit=lambda k, node, x: k("pow", const(k, 2, node), x),
    kinds=FLOATS,
    formula=Formula("exp2(x)", ("out * log(2)",)),
)


def _logarithm(name: str, fn: np.ufunc, base: float) -> Op:
    def vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
        x = node.inputs[0]
        return (b(div, ct, b(mul, x, filled(b, math.log(base), x))),)

    return record(
        name,
        fn,
        1,
        vjp=vjp,
        saves=(0,),
        emit=lambda k, node, x: k("div", k("log", x), const(k, math.log(base), node)),
        kinds=FLOATS,
        formula=Formula(f"{name}(x)", (f"1 / (x * log({base}))",)),
        domain=(0.2, 4.0),
    )


log2 = _logarithm("log2", np.log2, 2)
log10 = _logarithm("log10", np.log10, 10)


def _logaddexp_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    # exp(x) / (exp(x) + exp(y)) = σ(x - y); equal infinities, whose difference is NaN, share
    x, y = node.inputs
    apart = b(sub, x, y)
    infinite = b(logical_and, b(eq, x, y), b(ne, apart, apart))
    apart = b(where, infinite, filled(b, 0, x), apart)
    return b(mul, ct, b(sigmoid, apart)), b(mul, ct, b(sigmoid, b(neg, apart)))


def _logaddexp_emit(k: Tiles, node: Node, x: str, y: str) -> str:
    apart = k("select", k("eq", x, y), const(k, 0, node), k("abs", k("sub", x, y)))
    return k("add", k("max", x, y), k("log1p", k("exp", k("neg", apart))))


logaddexp = record(
    "logaddexp",
    np.logaddexp,
    2,
    vjp=_logaddexp_vjp,
    saves=(0, 1),
    emit=_logaddexp_emit,
    kinds=FLOATS,
    formula=Formula("log(exp(x) + exp(y))", ("1 / (1 + exp(y - x))", "1 / (1 + exp(x - y))")),
)

TABLE = (exp2, log2, log10, logaddexp)
