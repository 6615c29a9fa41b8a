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
from chainrule.ops.compare import eq, gt, lt, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.record import OUT, Array, Builder, Formula, Op, Tiles

LINEAR = frozenset({"linear"})

add = record(
    "add",
    np.add,
    2,
    cost="cheap",
    vjp=lambda b, node, ct: (ct, ct),  # noqa: ARG005 - the rule's signature
    formula=Formula("x + y", ("1", "1")),
    traits=LINEAR,
)
neg: Op = record(
    "neg",
    np.negative,
    1,
    cost="cheap",
    vjp=lambda b, node, ct: (b(neg, ct),),  # noqa: ARG005 - the rule's signature
    formula=Formula("-x", ("-1",)),
    traits=LINEAR,
)
sub = record(
    "sub",
    np.subtract,
    2,
    cost="cheap",
    vjp=lambda b, node, ct: (ct, b(neg, ct)),  # noqa: ARG005 - the rule's signature
    formula=Formula("x - y", ("1", "-1")),
    traits=LINEAR,
)
mul: Op = record(
    "mul",
    np.multiply,
    2,
    cost="cheap",
    vjp=lambda b, node, ct: (b(mul, ct, node.inputs[1]), b(mul, ct, node.inputs[0])),
    saves=(0, 1),
    formula=Formula("x * y", ("y", "x")),
)


def _div_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    down = b(div, ct, node.inputs[1])
    return down, b(neg, b(mul, down, node))


div = record(
    "div",
    np.divide,
    2,
    kinds=FLOATS,
    vjp=_div_vjp,
    saves=(1, OUT),
    formula=Formula("x / y", ("1 / y", "-out / y")),
    domain=(0.5, 3.0),
)


def _share(b: Builder, node: Node, ct: Node, wins: Op, loses: Op) -> tuple[Node, Node]:
    """Send `ct` to x unless it loses, to y unless it does, half to each at a tie."""
    x, y = node.inputs
    zero = filled(b, 0, ct)
    part = b(where, b(eq, x, y), b(mul, ct, filled(b, 0.5, ct)), ct)
    return b(where, b(loses, x, y), zero, part), b(where, b(wins, x, y), zero, part)


def _winner(ins: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001 - the signature
    return np.greater(*ins).astype(np.int8) - np.less(*ins)


maximum = record(
    "maximum",
    np.maximum,
    2,
    cost="cheap",
    vjp=lambda b, node, ct: _share(b, node, ct, gt, lt),
    saves=(0, 1),
    emit=lambda k, node, x, y: k("max", x, y),  # noqa: ARG005 - the signature
    formula=Formula("maximum(x, y)", ("x > y", "y > x")),
    decisions=_winner,
)
minimum = record(
    "minimum",
    np.minimum,
    2,
    cost="cheap",
    vjp=lambda b, node, ct: _share(b, node, ct, lt, gt),
    saves=(0, 1),
    emit=lambda k, node, x, y: k("min", x, y),  # noqa: ARG005 - the signature
    formula=Formula("minimum(x, y)", ("x < y", "y < x")),
    decisions=_winner,
)


def _flat(b: Builder, node: Node, ct: Node) -> tuple[Node, ...]:
    """A step function's gradient: zero wherever it exists, and by convention at the steps."""
    return tuple(filled(b, 0, ct) for _ in node.inputs)


def _side(ins: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001 - the signature
    return np.greater(ins[0], 0).astype(np.int8) - np.less(ins[0], 0)


sign = record(
    "sign",
    np.sign,
    1,
    vjp=_flat,
    formula=Formula("sign(x)", ("0",)),
    decisions=_side,
    domain=(0.5, 3.0),
)


def _rounding(name: str, fn: np.ufunc, domain: tuple[float, float]) -> Op:
    """A rounding op: `fn` of floats, nothing of integers."""

    def numpy(x: Array) -> Any:
        return fn(x) if x.dtype.kind == "f" else x

    def emit(k: Tiles, node: Node, x: str) -> str:
        return k(name, x) if node.dtype.kind == "float" else x

    return record(
        name,
        numpy,
        1,
        vjp=_flat,
        emit=emit,
        formula=Formula(f"{fn.__name__}(x)", ("0",)),
        decisions=lambda ins, attrs: numpy(ins[0]),  # noqa: ARG005 - the signature
        domain=domain,
    )


floor = _rounding("floor", np.floor, (0.1, 0.9))
ceil = _rounding("ceil", np.ceil, (0.1, 0.9))
round_ = _rounding("round", np.rint, (0.6, 1.4))
trunc = _rounding("trunc", np.trunc, (0.1, 0.9))
abs_ = record(
    "abs",
    np.abs,
    1,
    cost="cheap",
    vjp=lambda b, node, ct: (b(mul, ct, b(sign, node.inputs[0])),),
    saves=(0,),
    formula=Formula("abs(x)", ("sign(x)",)),
    decisions=_side,
)


def _quotient(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.floor_divide(*ins))


def _remainder_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    return ct, b(neg, b(mul, ct, b(floor_divide, *node.inputs)))


floor_divide = record(
    "floor_divide",
    np.floor_divide,
    2,
    vjp=_flat,
    emit=lambda k, node, x, y: k("floordiv", x, y),  # noqa: ARG005 - the signature
    formula=Formula("floor_divide(x, y)", ("0", "0")),
    decisions=_quotient,
    domain=(1.1, 1.9),
    nasty=(0.0, -0.0, 2.0, -2.0, 7.5, -7.5, np.nan),
)
remainder = record(
    "remainder",
    np.mod,
    2,
    vjp=_remainder_vjp,
    saves=(0, 1),
    emit=lambda k, node, x, y: k("mod", x, y),  # noqa: ARG005 - the signature
    formula=Formula("mod(x, y)", ("1", "-floor_divide(x, y)")),
    decisions=_quotient,
    domain=(1.1, 1.9),
    nasty=(0.0, -0.0, 2.0, -2.0, 7.5, -7.5, np.nan),
)


def _truncated(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.trunc(np.true_divide(*ins)))


def _fmod_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    return ct, b(neg, b(mul, ct, b(trunc, b(div, *node.inputs))))


def _fmod_emit(k: Tiles, node: Node, x: str, y: str) -> str:
    """The remainder with the sign of x: of floats from the sizes, of integers moved by y."""
    if node.dtype.kind == "float":
        return k("copysign", k("mod", k("abs", x), k("abs", y)), x)
    zero, rest = k("const", attr=(0, node.dtype)), k("mod", x, y)
    opposite = k("xor", k("lt", x, zero), k("lt", rest, zero))
    return k("select", k("and", opposite, k("ne", rest, zero)), k("sub", rest, y), rest)


fmod = record(
    "fmod",
    np.fmod,
    2,
    vjp=_fmod_vjp,
    saves=(0, 1),
    emit=_fmod_emit,
    formula=Formula("fmod(x, y)", ("1", "-trunc(x / y)")),
    decisions=_truncated,
    domain=(1.1, 1.9),
    nasty=(0.0, -0.0, 2.0, -2.0, 7.5, -7.5, np.nan),
)


def _copysign_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    return b(mul, ct, b(mul, b(sign, x), b(copysign, filled(b, 1, y), y))), filled(b, 0, ct)


def _signs(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    return np.asarray(np.sign(ins[0]) * np.copysign(1, ins[1]))


copysign: Op = record(
    "copysign",
    np.copysign,
    2,
    kinds=FLOATS,
    vjp=_copysign_vjp,
    saves=(0, 1),
    formula=Formula("copysign(x, y)", ("sign(x) * copysign(1, y)", "0")),
    decisions=_signs,
)

TABLE = (
    add, sub, mul, div, neg, abs_, sign, maximum, minimum,
    floor, ceil, round_, trunc, floor_divide, remainder,
    fmod, copysign,
)  # fmt: skip
