"""Powers and logarithms to the bases 2 and 10, and the logarithm of a sum of exponentials.

Example: `logaddexp(x, y)` = log(exp x + exp y), without overflow.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.arithmetic import mul, neg, sub
from chainrule.ops.compare import eq, logical_and, ne, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.exponential import sigmoid
from chainrule.ops.expression import Number
from chainrule.ops.record import Builder

exp2 = record("exp2", "exp2(x)", "out * log(2)", kernel="2 ** x", kinds=FLOATS)
log2 = record(
    "log2", "log2(x)", "1 / (x * log(2))", kernel="log(x) / log(2)", kinds=FLOATS, domain=(0.2, 4.0)
)
log10 = record(
    "log10", "log10(x)", "1 / (x * log(10))", kernel="log(x) / log(10)",
    kinds=FLOATS, domain=(0.2, 4.0),
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


logaddexp = record(
    "logaddexp", "log(exp(x) + exp(y))", "1 / (1 + exp(y - x))", "1 / (1 + exp(x - y))",
    numpy=np.logaddexp, kernel=_logaddexp, vjp=_logaddexp_vjp, saves=(0, 1), kinds=FLOATS,
)  # fmt: skip

TABLE = (exp2, log2, log10, logaddexp)
