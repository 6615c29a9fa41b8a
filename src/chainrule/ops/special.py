"""What the error function lacks of 1, and its inverse.

Example: `erfc(x)` = 1 - erf(x), of which 1 - erf(x) itself would leave nothing for x > 6.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.graph.node import Node
from chainrule.kernel import erf as series
from chainrule.ops.activation import const
from chainrule.ops.arithmetic import mul
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.exponential import exp
from chainrule.ops.record import OUT, Array, Builder, Formula, Op, Tiles
from chainrule.ops.trigonometry import horner

_SLOPE = 2 / math.sqrt(math.pi)
# erfinv(x) ≈ x·P(w), w = -log(1 - x²): in w - 2.5 below 5, in √w - 3 above; highest power first
_NEAR = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_END = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


def _ratio(k: Tiles, node: Node, x: str, above: tuple[float, ...], below: tuple[float, ...]) -> str:
    return k("div", horner(k, node, x, above), horner(k, node, x, below))


def _complement(k: Tiles, node: Node, x: str) -> str:
    """erfc, in the three ranges of `kernel.erf`."""
    one, size = const(k, 1, node), k("min", k("abs", x), const(k, 28, node))
    sixteenth = const(k, 1 / 16, node)
    grid = k("mul", k("trunc", k("mul", size, const(k, 16, node))), sixteenth)
    rest = k("mul", k("sub", size, grid), k("add", size, grid))
    bell = k("mul", k("exp", k("neg", k("mul", grid, grid))), k("exp", k("neg", rest)))
    middle = k("mul", bell, _ratio(k, node, size, series.TAIL_P, series.TAIL_Q))
    far = k("max", size, one)
    inverse = k("div", one, k("mul", far, far))
    bend = k("mul", inverse, _ratio(k, node, inverse, series.FAR_P, series.FAR_Q))
    end = k("mul", k("div", bell, far), k("sub", const(k, _SLOPE / 2, node), bend))
    tail = k("select", k("gt", size, const(k, series.FAR, node)), end, middle)
    negative = k("lt", x, const(k, 0, node))
    tail = k("select", negative, k("sub", const(k, 2, node), tail), tail)
    square = k("mul", size, size)
    centre = k("mul", x, _ratio(k, node, square, series.CENTRE_P, series.CENTRE_Q))
    near = k("le", size, const(k, series.CENTRE, node))
    return k("select", near, k("sub", one, centre), tail)


def _bell(b: Builder, x: Node, factor: float) -> Node:
    """factor · exp(-x²)."""
    minus = b(mul, b(mul, x, x), filled(b, -1, x))
    return b(mul, b(exp, minus), filled(b, factor, x))


erfc = record(
    "erfc",
    series.erfc,
    1,
    vjp=lambda b, node, ct: (b(mul, ct, _bell(b, node.inputs[0], -_SLOPE)),),
    saves=(0,),
    emit=_complement,
    kinds=FLOATS,
    formula=Formula("1 - erf(x)", ("-2 / sqrt(pi) * exp(-x * x)",)),
)


def _horner(x: Array, coefficients: tuple[float, ...]) -> Array:
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _inverse(x: Array) -> Array:
    """A start of single precision, then Newton's method: of log erfc where erf nears 1."""
    wide = np.asarray(x, np.float64)
    size = np.abs(wide)
    w = -np.log((1 - size) * (1 + size))
    start = np.where(w < 5, _horner(w - 2.5, _NEAR), _horner(np.sqrt(np.maximum(w, 5)) - 3, _END))
    y = start * size
    for _ in range(3):
        rest = series.erfc(y)
        error = np.where(size > 0.5, np.log((1 - size) / rest) * rest, series.erf(y) - size)
        y = y - error / (_SLOPE * np.exp(-y * y))
    y = np.where(size == 1, np.inf, np.where(size > 1, np.nan, y))
    out: Array = np.copysign(y, wide).astype(x.dtype)
    return out


def _inverse_emit(k: Tiles, node: Node, x: str) -> str:
    size, one = k("abs", x), const(k, 1, node)
    product = k("mul", k("sub", one, size), k("add", one, size))
    w = k("neg", k("log", product))
    five = const(k, 5, node)
    near = horner(k, node, k("sub", w, const(k, 2.5, node)), _NEAR)
    root = k("sub", k("sqrt", k("max", w, five)), const(k, 3, node))
    y = k("mul", size, k("select", k("lt", w, five), near, horner(k, node, root, _END)))
    upper = k("gt", size, const(k, 0.5, node))
    for _ in range(3):
        rest = _complement(k, node, y)
        beyond = k("mul", k("log", k("div", k("sub", one, size), rest)), rest)
        error = k("select", upper, beyond, k("sub", k("erf", y), size))
        slope = k("mul", const(k, _SLOPE, node), k("exp", k("neg", k("mul", y, y))))
        y = k("sub", y, k("div", error, slope))
    y = k("select", k("eq", size, one), const(k, math.inf, node), y)
    y = k("select", k("gt", size, one), const(k, math.nan, node), y)
    return k("copysign", y, x)


def _inverse_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    grown = b(exp, b(mul, node, node))
    return (b(mul, ct, b(mul, grown, filled(b, 1 / _SLOPE, ct))),)


erfinv: Op = record(
    "erfinv",
    _inverse,
    1,
    vjp=_inverse_vjp,
    saves=(OUT,),
    emit=_inverse_emit,
    kinds=FLOATS,
    domain=(-0.9, 0.9),
    nasty=(0.0, -0.0, 1.0, -1.0, 1e-6, 0.9, -0.99, 2.0, np.inf, np.nan),
)

TABLE = (erfc, erfinv)
