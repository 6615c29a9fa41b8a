"""Arithmetic: + - × ÷, extremes, signs and rounding, with their local derivatives.

Conventions follow PyTorch: a tie of maximum/minimum shares the gradient equally; sign, floor and
the other step functions have gradient zero; rounding leaves integers as they are. Integers wrap
around; an integer divided by zero gives 0, which the functions refuse before.
Example: `mul`: ∂(xy)/∂x = y, ∂(xy)/∂y = x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Attrs, Node
from chainrule.ops.comparison import eq, gt, lt, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, elementwise
from chainrule.ops.expression import Number
from chainrule.ops.record import Array, Builder, Op

LINEAR = frozenset({"linear"})

add = elementwise("add", "x + y", "1", "1", traits=LINEAR, cost="cheap")
sub = elementwise("sub", "x - y", "1", "-1", traits=LINEAR, cost="cheap")
neg = elementwise("neg", "-x", "-1", traits=LINEAR, cost="cheap")
mul = elementwise("mul", "x * y", "y", "x", cost="cheap")
div = elementwise("div", "x / y", "1 / y", "-out / y", kinds=FLOATS, domain=(0.5, 3.0))


def _share(b: Builder, node: Node, ct: Node, wins: Op, loses: Op) -> tuple[Node, Node]:
    """Send `ct` to x unless it loses, to y unless it does, half to each at a tie."""
    x, y = node.inputs
    zero = filled(b, 0, ct)
    part = b(where, b(eq, x, y), b(mul, ct, filled(b, 0.5, ct)), ct)
    return b(where, b(loses, x, y), zero, part), b(where, b(wins, x, y), zero, part)


def _winner(ins: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001 - the signature
    return np.greater(*ins).astype(np.int8) - np.less(*ins)


def _extreme(name: str, sign: str, wins: Op, loses: Op) -> Op:
    return elementwise(
        name,
        f"{name}(x, y)",
        f"x {sign} y",
        f"y {sign} x",
        vjp=lambda b, node, ct: _share(b, node, ct, wins, loses),
        saves=(0, 1),
        decisions=_winner,
        cost="cheap",
    )


maximum = _extreme("maximum", ">", gt, lt)
minimum = _extreme("minimum", "<", lt, gt)


def _side(ins: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001 - the signature
    return np.greater(ins[0], 0).astype(np.int8) - np.less(ins[0], 0)


sign = elementwise("sign", "sign(x)", "0", decisions=_side, domain=(0.5, 3.0))
abs_ = elementwise("abs", "abs(x)", "sign(x)", decisions=_side, cost="cheap")


def _rounding(name: str, fn: np.ufunc, domain: tuple[float, float]) -> Op:
    """A rounding op: `fn` of floats, nothing of integers."""

    def numpy(x: Array) -> Any:
        return fn(x) if x.dtype.kind == "f" else x

    return elementwise(
        name,
        f"{fn.__name__}(x)",
        "0",
        numpy=numpy,
        kernel=lambda x: x.call(name) if x.dtype.kind == "float" else x,
        decisions=lambda ins, attrs: numpy(ins[0]),  # noqa: ARG005 - the signature
        domain=domain,
    )


floor = _rounding("floor", np.floor, (0.1, 0.9))
ceil = _rounding("ceil", np.ceil, (0.1, 0.9))
round_ = _rounding("round", np.rint, (0.6, 1.4))
trunc = _rounding("trunc", np.trunc, (0.1, 0.9))


def _quotient(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.floor_divide(*ins))


def _truncated(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.trunc(np.true_divide(*ins)))


def _fmod(x: Number, y: Number) -> Number:
    """The remainder with the sign of x: of floats from the sizes, of integers moved by y."""
    if x.dtype.kind == "float":
        return (abs(x).call("mod", abs(y))).call("copysign", x)
    rest = x.call("mod", y)
    opposite = (x < 0).call("logical_xor", rest < 0)
    return opposite.call("logical_and", rest != 0).where(rest - y, rest)


_UNEVEN = (0.0, -0.0, 2.0, -2.0, 7.5, -7.5, np.nan)
floor_divide = elementwise(
    "floor_divide", "floor_divide(x, y)", "0", "0",
    decisions=_quotient, domain=(1.1, 1.9), nasty=_UNEVEN,
)  # fmt: skip
remainder = elementwise(
    "remainder", "mod(x, y)", "1", "-floor_divide(x, y)",
    decisions=_quotient, domain=(1.1, 1.9), nasty=_UNEVEN,
)  # fmt: skip
fmod = elementwise(
    "fmod", "fmod(x, y)", "1", "-trunc(x / y)", kernel=_fmod,
    decisions=_truncated, domain=(1.1, 1.9), nasty=_UNEVEN,
)  # fmt: skip


def _signs(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.sign(ins[0]) * np.copysign(1, ins[1]))


copysign = elementwise(
    "copysign", "copysign(x, y)", "sign(x) * copysign(1, y)", "0", kinds=FLOATS, decisions=_signs
)

TABLE = (
    add, sub, mul, div, neg, abs_, sign, maximum, minimum,
    floor, ceil, round_, trunc, floor_divide, remainder,
    fmod, copysign,
)  # fmt: skip
