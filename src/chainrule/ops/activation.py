"""Activations with a kernel of their own: relu, sigmoid, gelu, silu, softplus, log-sigmoid.

Each is one elementwise op, so that eager evaluation is one step and its derivative one rule.
Conventions: relu'(0) = 0. softplus and log-sigmoid are finite, with exact tails.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.comparison import le, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, elementwise
from chainrule.ops.record import OUT, Builder

_MODERATE = (0.0, -0.0, 1.0, -1.0, 30.0, -30.0, np.nan)


def _relu_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # The result is positive exactly where the input is, and it is kept anyway
    zero = filled(b, 0, ct)
    return (b(where, b(le, node, zero), zero, ct),)


relu = elementwise(
    "relu", "maximum(x, 0)", "x > 0", vjp=_relu_vjp, saves=(OUT,),
    decisions=lambda ins, attrs: ins[0] > 0,  # noqa: ARG005 - the signature
    cost="cheap",
)  # fmt: skip
sigmoid = elementwise(
    "sigmoid", "1 / (1 + exp(-x))", "out / (1 + exp(x))", computed="sigmoid(x)", kinds=FLOATS,
    vjp=("out * sigmoid(-x)",),  # exact in both tails, where 1 - out would cancel
)  # fmt: skip
gelu = elementwise(
    "gelu",
    "x * (1 + erf(x / sqrt(2))) / 2",
    "(1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)",
    computed="x * (0.5 * (1 + erf(x * (1 / sqrt(2)))))",
    vjp=("0.5 * (1 + erf(x * (1 / sqrt(2)))) + x * (exp(-0.5 * (x * x)) * (1 / sqrt(2 * pi)))",),
    kinds=FLOATS,
    nasty=_MODERATE,
)
silu = elementwise(
    "silu",
    "x / (1 + exp(-x))",
    "(1 + x / (1 + exp(x))) / (1 + exp(-x))",
    computed="x * sigmoid(x)",
    vjp=("sigmoid(x) * (1 + x * sigmoid(-x))",),
    kinds=FLOATS,
    nasty=_MODERATE,
)
softplus = elementwise(
    "softplus",
    "log(1 + exp(x))",
    "1 / (1 + exp(-x))",
    computed="maximum(x, 0) + log1p(exp(-abs(x)))",
    vjp=("sigmoid(x)",),
    kinds=FLOATS,
)
logsigmoid = elementwise(
    "logsigmoid",
    "-log(1 + exp(-x))",
    "1 / (1 + exp(x))",
    computed="-(maximum(-x, 0) + log1p(exp(-abs(-x))))",
    vjp=("sigmoid(-x)",),
    kinds=FLOATS,
)

TABLE = (relu, sigmoid, gelu, silu, softplus, logsigmoid)
