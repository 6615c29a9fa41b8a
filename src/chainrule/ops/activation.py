"""Activations with a kernel of their own: relu, gelu, silu, softplus, log-sigmoid.

Each is one elementwise op, so that eager evaluation is one step and its derivative one rule.
Conventions: relu'(0) = 0. softplus and log-sigmoid are finite, with exact tails.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.graph.node import Node
from chainrule.kernel import scalar
from chainrule.kernel.erf import erf as error_function
from chainrule.ops.arithmetic import add, mul, neg
from chainrule.ops.compare import le, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.exponential import erf, exp, sigmoid
from chainrule.ops.record import OUT, Array, Builder, Formula

_ROOT_HALF = 1 / math.sqrt(2)
_ROOT_TAU = 1 / math.sqrt(2 * math.pi)


def const(k: Any, value: float, node: Node) -> str:
    """The tile of one number, of the dtype of `node`."""
    return k("const", attr=(value, node.dtype))  # type: ignore[no-any-return]


def _relu_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # The result is positive exactly where the input is, and it is kept anyway
    zero = filled(b, 0, ct)
    return (b(where, b(le, node, zero), zero, ct),)


relu = record(
    "relu",
    lambda x: np.maximum(x, 0),
    1,
    vjp=_relu_vjp,
    saves=(OUT,),
    emit=lambda k, node, x: k("max", x, const(k, 0, node)),
    formula=Formula("maximum(x, 0)", ("x > 0",)),
    decisions=lambda ins, attrs: ins[0] > 0,  # noqa: ARG005 - the signature
    cost="cheap",
)


def _gelu(x: Array) -> Any:
    return x * (0.5 * (1 + error_function(x * _ROOT_HALF)))


def _gelu_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # Φ(x) + x·φ(x)
    x = node.inputs[0]
    inner = b(erf, b(mul, x, filled(b, _ROOT_HALF, x)))
    cdf = b(mul, b(add, inner, filled(b, 1, x)), filled(b, 0.5, x))
    bell = b(exp, b(mul, b(mul, x, x), filled(b, -0.5, x)))
    slope = b(add, cdf, b(mul, x, b(mul, bell, filled(b, _ROOT_TAU, x))))
    return (b(mul, ct, slope),)


def _gelu_emit(k: Any, node: Node, x: str) -> str:
    inner = k("erf", k("mul", x, const(k, _ROOT_HALF, node)))
    cdf = k("mul", k("add", inner, const(k, 1, node)), const(k, 0.5, node))
    return k("mul", x, cdf)  # type: ignore[no-any-return]


gelu = record(
    "gelu",
    _gelu,
    1,
    vjp=_gelu_vjp,
    saves=(0,),
    emit=_gelu_emit,
    kinds=FLOATS,
    formula=Formula(
        "x * (1 + erf(x / sqrt(2))) / 2",
        ("(1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * pi)",),
    ),
    nasty=(0.0, -0.0, 1.0, -1.0, 30.0, -30.0, np.nan),
)


def _silu_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # σ(x)·(1 + x·σ(-x))
    x = node.inputs[0]
    rest = b(mul, x, b(sigmoid, b(neg, x)))
    return (b(mul, ct, b(mul, b(sigmoid, x), b(add, rest, filled(b, 1, x)))),)


silu = record(
    "silu",
    lambda x: x * scalar.sigmoid(x),
    1,
    vjp=_silu_vjp,
    saves=(0,),
    emit=lambda k, node, x: k("mul", x, k("sigmoid", x)),  # noqa: ARG005 - the signature
    kinds=FLOATS,
    formula=Formula("x / (1 + exp(-x))", ("(1 + x / (1 + exp(x))) / (1 + exp(-x))",)),
    nasty=(0.0, -0.0, 1.0, -1.0, 30.0, -30.0, np.nan),
)


def _softplus(x: Array) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _softplus_emit(k: Any, node: Node, x: str) -> str:
    tail = k("log1p", k("exp", k("neg", k("abs", x))))
    return k("add", k("max", x, const(k, 0, node)), tail)  # type: ignore[no-any-return]


softplus = record(
    "softplus",
    _softplus,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, b(sigmoid, node.inputs[0])),),
    saves=(0,),
    emit=_softplus_emit,
    kinds=FLOATS,
    formula=Formula("log(1 + exp(x))", ("1 / (1 + exp(-x))",)),
)
logsigmoid = record(
    "logsigmoid",
    lambda x: -_softplus(-x),
    1,
    vjp=lambda b, node, ct: (b(mul, ct, b(sigmoid, b(neg, node.inputs[0]))),),
    saves=(0,),
    emit=lambda k, node, x: k("neg", _softplus_emit(k, node, k("neg", x))),
    kinds=FLOATS,
    formula=Formula("-log(1 + exp(-x))", ("1 / (1 + exp(x))",)),
)

TABLE = (relu, gelu, silu, softplus, logsigmoid)
