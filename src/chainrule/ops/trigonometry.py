"""Tangent, hyperbolic functions, their inverses, and polar coordinates (atan2, hypot).

Kernels compute them from primitives that exist: arcs by one rational function after reduction to
|r| ≤ 0.66, hyperbolic functions from exp and log1p without cancellation. Outside its domain an
inverse is NaN. Example: `atan2(y, x)` is the angle of (x, y) in (-π, π].
Source of the rational function: S. L. Moshier, Cephes Mathematical Library, atan.c (double).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.activation import const
from chainrule.ops.arithmetic import add, div, mul, neg, sub
from chainrule.ops.compare import eq, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.exponential import rsqrt
from chainrule.ops.record import OUT, Builder, Formula, Op, Tiles

# atan(r) = r + r·z·P(z)/Q(z) with z = r², highest power first
_ARC_P = (
    -8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
    -1.228866684490136173410e2, -6.485021904942025371773e1,
)  # fmt: skip
_ARC_Q = (
    1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2,
    4.853903996359136964868e2, 1.945506571482613964425e2,
)  # fmt: skip
_FAR = 1e8  # beyond it x² + 1 = x²


def horner(k: Tiles, node: Node, x: str, coefficients: Sequence[float]) -> str:
    """The polynomial with these coefficients, highest power first."""
    total = const(k, coefficients[0], node)
    for c in coefficients[1:]:
        total = k("add", k("mul", total, x), const(k, c, node))
    return total


def _arc(k: Tiles, node: Node, y: str, x: str) -> str:
    """atan(y / x) in [0, π/2] for y, x ≥ 0, of zeros and infinities too."""
    zero, one = const(k, 0, node), const(k, 1, node)
    steep = k("gt", y, k("mul", x, const(k, 1 + math.sqrt(2), node)))
    middle = k("gt", y, k("mul", x, const(k, 0.66, node)))
    above = k("select", steep, k("neg", x), k("select", middle, k("sub", y, x), y))
    below = k("select", steep, y, k("select", middle, k("add", y, x), x))
    same = k("eq", y, x)  # inf / inf and 0 / 0 among them
    r = k("div", k("select", same, zero, above), k("select", same, one, below))
    z = k("mul", r, r)
    bend = k("div", k("mul", z, horner(k, node, z, _ARC_P)), horner(k, node, z, _ARC_Q))
    bend = k("add", k("mul", r, bend), r)
    quarter = k("select", k("eq", y, zero), zero, const(k, math.pi / 4, node))
    base = k("select", k("or", middle, same), quarter, zero)
    base = k("select", steep, const(k, math.pi / 2, node), base)
    return k("add", base, bend)


def _turned(k: Tiles, node: Node, arc: str, x: str) -> str:
    """π - arc where x is negative or -0."""
    one = const(k, 1, node)
    negative = k("lt", k("copysign", one, x), const(k, 0, node))
    return k("select", negative, k("sub", const(k, math.pi, node), arc), arc)


def _leg(k: Tiles, node: Node, x: str) -> str:
    """√(1 - x²) without cancellation."""
    one = const(k, 1, node)
    return k("sqrt", k("mul", k("sub", one, x), k("add", one, x)))


def _asin_emit(k: Tiles, node: Node, x: str) -> str:
    return k("copysign", _arc(k, node, k("abs", x), _leg(k, node, x)), x)


def _acos_emit(k: Tiles, node: Node, x: str) -> str:
    return _turned(k, node, _arc(k, node, _leg(k, node, x), k("abs", x)), x)


def _atan_emit(k: Tiles, node: Node, x: str) -> str:
    return k("copysign", _arc(k, node, k("abs", x), const(k, 1, node)), x)


def _atan2_emit(k: Tiles, node: Node, y: str, x: str) -> str:
    arc = _arc(k, node, k("abs", y), k("abs", x))
    return k("copysign", _turned(k, node, arc, x), y)


def _tan_emit(k: Tiles, node: Node, x: str) -> str:  # noqa: ARG001 - the signature
    return k("div", k("sin", x), k("cos", x))


def _half_exp(k: Tiles, node: Node, x: str) -> str:
    """exp(x) / 2, which overflows later than exp(x)."""
    half = const(k, 0.5, node)
    root = k("exp", k("mul", x, half))
    return k("mul", k("mul", root, half), root)


def _sinh_emit(k: Tiles, node: Node, x: str) -> str:
    size, half, one = k("abs", x), const(k, 0.5, node), const(k, 1, node)
    grown = k("expm1", size)
    near = k("mul", half, k("add", grown, k("div", grown, k("add", grown, one))))
    far = k("gt", size, const(k, 22, node))
    return k("copysign", k("select", far, _half_exp(k, node, size), near), x)


def _cosh_emit(k: Tiles, node: Node, x: str) -> str:
    size, half = k("abs", x), const(k, 0.5, node)
    grown = k("exp", size)
    near = k("mul", half, k("add", grown, k("div", const(k, 1, node), grown)))
    far = k("gt", size, const(k, 22, node))
    return k("select", far, _half_exp(k, node, size), near)


def _log_of_double(k: Tiles, node: Node, x: str) -> str:
    return k("add", k("log", x), const(k, math.log(2), node))


def _asinh_emit(k: Tiles, node: Node, x: str) -> str:
    size, one = k("abs", x), const(k, 1, node)
    square = k("mul", size, size)
    root = k("sqrt", k("add", square, one))
    near = k("log1p", k("add", size, k("div", square, k("add", root, one))))
    far = k("gt", size, const(k, _FAR, node))
    return k("copysign", k("select", far, _log_of_double(k, node, size), near), x)


def _acosh_emit(k: Tiles, node: Node, x: str) -> str:
    one = const(k, 1, node)
    over = k("sub", x, one)
    near = k("log1p", k("add", over, k("mul", k("sqrt", over), k("sqrt", k("add", x, one)))))
    far = k("gt", x, const(k, _FAR, node))
    return k("select", far, _log_of_double(k, node, x), near)


def _atanh_emit(k: Tiles, node: Node, x: str) -> str:
    size = k("abs", x)
    ratio = k("div", k("add", size, size), k("sub", const(k, 1, node), size))
    return k("copysign", k("mul", const(k, 0.5, node), k("log1p", ratio)), x)


def _one_minus_square(b: Builder, x: Node) -> Node:
    one = filled(b, 1, x)
    return b(mul, b(sub, one, x), b(add, one, x))


def _asin_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(mul, ct, b(rsqrt, _one_minus_square(b, node.inputs[0]))),)


def _acos_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(neg, _asin_vjp(b, node, ct)[0]),)


def _square_plus_one(b: Builder, x: Node) -> Node:
    return b(add, b(mul, x, x), filled(b, 1, x))


def _acosh_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    x = node.inputs[0]
    one = filled(b, 1, x)
    return (b(mul, ct, b(rsqrt, b(mul, b(sub, x, one), b(add, x, one)))),)


def _inverse_square(b: Builder, node: Node) -> Node:
    """1 / (x² + y²), 0 at the origin."""
    y, x = node.inputs
    square = b(add, b(mul, x, x), b(mul, y, y))
    zero, one = filled(b, 0, x), filled(b, 1, x)
    origin = b(eq, square, zero)
    return b(where, origin, zero, b(div, one, b(where, origin, one, square)))


def _atan2_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    y, x = node.inputs
    part = b(mul, ct, _inverse_square(b, node))
    return b(mul, part, x), b(neg, b(mul, part, y))


def _hypot_emit(k: Tiles, node: Node, x: str, y: str) -> str:
    """The larger leg times √(1 + ratio²): nothing overflows before the result does."""
    a, c = k("abs", x), k("abs", y)
    zero, one = const(k, 0, node), const(k, 1, node)
    large, small = k("max", a, c), k("min", a, c)
    flat = k("or", k("eq", large, zero), k("eq", large, const(k, math.inf, node)))
    ratio = k("div", k("select", flat, zero, small), k("select", flat, one, large))
    long = k("mul", large, k("sqrt", k("add", one, k("mul", ratio, ratio))))
    infinite = const(k, math.inf, node)  # even if the other leg is NaN
    either = k("or", k("eq", a, infinite), k("eq", c, infinite))
    return k("select", either, infinite, long)


def _hypot_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, ...]:
    # leg / out; 0 at the origin, where the ray has no direction, as for norm
    zero = filled(b, 0, node)
    origin = b(eq, node, zero)
    length = b(where, origin, filled(b, 1, node), node)
    return tuple(b(mul, ct, b(div, b(where, origin, zero, x), length)) for x in node.inputs)


tan = record(
    "tan", np.tan, 1, kinds=FLOATS, saves=(OUT,), emit=_tan_emit,
    vjp=lambda b, node, ct: (b(mul, ct, _square_plus_one(b, node)),),
    formula=Formula("tan(x)", ("1 + out ** 2",)),
    domain=(-1.0, 1.0), nasty=(0.0, -0.0, 1e3, np.inf, np.nan),
)  # fmt: skip
sinh: Op = record(
    "sinh", np.sinh, 1, kinds=FLOATS, saves=(0,), emit=_sinh_emit,
    vjp=lambda b, node, ct: (b(mul, ct, b(cosh, node.inputs[0])),),
    formula=Formula("sinh(x)", ("cosh(x)",)),
    nasty=(0.0, -0.0, 1e-6, 30.0, -30.0, np.inf, -np.inf, np.nan),
)  # fmt: skip
cosh: Op = record(
    "cosh", np.cosh, 1, kinds=FLOATS, saves=(0,), emit=_cosh_emit,
    vjp=lambda b, node, ct: (b(mul, ct, b(sinh, node.inputs[0])),),
    formula=Formula("cosh(x)", ("sinh(x)",)),
    nasty=(0.0, -0.0, 1e-6, 30.0, -30.0, np.inf, -np.inf, np.nan),
)  # fmt: skip
_UNIT = (0.0, -0.0, 1.0, -1.0, 1e-6, 0.75, -0.75, 2.0, np.inf, -np.inf, np.nan)
asin = record(
    "asin", np.arcsin, 1, kinds=FLOATS, saves=(0,), emit=_asin_emit, vjp=_asin_vjp,
    formula=Formula("arcsin(x)", ("1 / sqrt(1 - x * x)",)), domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
acos = record(
    "acos", np.arccos, 1, kinds=FLOATS, saves=(0,), emit=_acos_emit, vjp=_acos_vjp,
    formula=Formula("arccos(x)", ("-1 / sqrt(1 - x * x)",)), domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
atan = record(
    "atan", np.arctan, 1, kinds=FLOATS, saves=(0,), emit=_atan_emit,
    vjp=lambda b, node, ct: (b(div, ct, _square_plus_one(b, node.inputs[0])),),
    formula=Formula("arctan(x)", ("1 / (1 + x * x)",)), domain=(-4.0, 4.0),
)  # fmt: skip
atan2 = record(
    "atan2", np.arctan2, 2, kinds=FLOATS, saves=(0, 1), emit=_atan2_emit, vjp=_atan2_vjp,
    formula=Formula("arctan2(x, y)", ("y / (x * x + y * y)", "-x / (x * x + y * y)")),
    domain=(0.3, 3.0), nasty=(0.0, -0.0, 1.0, -1.0, 1e3, np.inf, -np.inf, np.nan),
)  # fmt: skip
asinh = record(
    "asinh", np.arcsinh, 1, kinds=FLOATS, saves=(0,), emit=_asinh_emit,
    vjp=lambda b, node, ct: (b(mul, ct, b(rsqrt, _square_plus_one(b, node.inputs[0]))),),
    formula=Formula("arcsinh(x)", ("1 / sqrt(x * x + 1)",)),
)  # fmt: skip
acosh = record(
    "acosh", np.arccosh, 1, kinds=FLOATS, saves=(0,), emit=_acosh_emit, vjp=_acosh_vjp,
    formula=Formula("arccosh(x)", ("1 / sqrt(x * x - 1)",)), domain=(1.2, 4.0),
)  # fmt: skip
atanh = record(
    "atanh", np.arctanh, 1, kinds=FLOATS, saves=(0,), emit=_atanh_emit,
    vjp=lambda b, node, ct: (b(div, ct, _one_minus_square(b, node.inputs[0])),),
    formula=Formula("arctanh(x)", ("1 / (1 - x * x)",)), domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
hypot = record(
    "hypot", np.hypot, 2, kinds=FLOATS, saves=(0, 1, OUT), emit=_hypot_emit, vjp=_hypot_vjp,
    formula=Formula("hypot(x, y)", ("x / out", "y / out")), domain=(0.3, 3.0),
)  # fmt: skip

TABLE = (tan, sinh, cosh, asin, acos, atan, atan2, asinh, acosh, atanh, hypot)
