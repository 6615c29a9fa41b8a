"""Trigonometric and hyperbolic functions, their inverses, and polar coordinates (atan2, hypot).

Kernels compute them from primitives that exist: arcs by one rational function after reduction to
|r| ≤ 0.66, hyperbolic functions from exp and log1p without cancellation. Outside its domain an
inverse is NaN. Example: `atan2(y, x)` is the angle of (x, y) in (-π, π].
Source of the rational function: S. L. Moshier, Cephes Mathematical Library, atan.c (double).
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.arithmetic import add, copysign, div, mul, neg
from chainrule.ops.comparison import eq, where
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import FLOATS, elementwise
from chainrule.ops.exponential import exp
from chainrule.ops.expression import Number, call, horner
from chainrule.ops.record import OUT, Builder

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
_STEEP = 22  # beyond it exp(x) - exp(-x) = exp(x)


def _arc(y: Number, x: Number | int) -> Number:
    """atan(y / x) in [0, π/2] for y, x ≥ 0, of zeros and infinities too."""
    steep = y > x * (1 + math.sqrt(2))
    middle = y > x * 0.66
    above = steep.where(-x, middle.where(y - x, y))
    below = steep.where(y, middle.where(y + x, x))
    same = y == x  # inf / inf and 0 / 0 among them
    r = same.where(0, above) / same.where(1, below)
    z = r * r
    bend = r * (z * horner(z, _ARC_P) / horner(z, _ARC_Q)) + r
    quarter = (y == 0).where(0, math.pi / 4)
    base = middle.call("logical_or", same).where(quarter, 0)
    return steep.where(math.pi / 2, base) + bend


def _turned(arc: Number, x: Number) -> Number:
    """π - arc where x is negative or -0."""
    negative = call("copysign", 1, x) < 0
    return negative.where(math.pi - arc, arc)


def _leg(x: Number) -> Number:
    """√(1 - x²) without cancellation."""
    return ((1 - x) * (1 + x)).call("sqrt")


def _asin(x: Number) -> Number:
    return _arc(abs(x), _leg(x)).call("copysign", x)


def _acos(x: Number) -> Number:
    return _turned(_arc(_leg(x), abs(x)), x)


def _atan(x: Number) -> Number:
    return _arc(abs(x), 1).call("copysign", x)


def _atan2(y: Number, x: Number) -> Number:
    return _turned(_arc(abs(y), abs(x)), x).call("copysign", y)


def _half_exp(x: Number) -> Number:
    """exp(x) / 2, which overflows later than exp(x)."""
    root = (x * 0.5).call("exp")
    return root * 0.5 * root


def _sinh(x: Number) -> Number:
    size = abs(x)
    grown = size.call("expm1")
    near = 0.5 * (grown + grown / (grown + 1))
    return (size > _STEEP).where(_half_exp(size), near).call("copysign", x)


def _cosh(x: Number) -> Number:
    size = abs(x)
    grown = size.call("exp")
    return (size > _STEEP).where(_half_exp(size), 0.5 * (grown + 1 / grown))


def _log_of_double(x: Number) -> Number:
    return x.call("log") + math.log(2)


def _asinh(x: Number) -> Number:
    size = abs(x)
    square = size * size
    near = (size + square / ((square + 1).call("sqrt") + 1)).call("log1p")
    return (size > _FAR).where(_log_of_double(size), near).call("copysign", x)


def _acosh(x: Number) -> Number:
    over = x - 1
    near = (over + over.call("sqrt") * (x + 1).call("sqrt")).call("log1p")
    return (x > _FAR).where(_log_of_double(x), near)


def _atanh(x: Number) -> Number:
    size = abs(x)
    return (0.5 * ((size + size) / (1 - size)).call("log1p")).call("copysign", x)


def _hypot(x: Number, y: Number) -> Number:
    """The larger leg times √(1 + ratio²): nothing overflows before the result does."""
    a, c = abs(x), abs(y)
    large, small = a.call("maximum", c), a.call("minimum", c)
    flat = (large == 0).call("logical_or", large == math.inf)
    ratio = flat.where(0, small) / flat.where(1, large)
    long = large * (1 + ratio * ratio).call("sqrt")
    either = (a == math.inf).call("logical_or", c == math.inf)  # even if the other leg is NaN
    return either.where(math.inf, long)


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


def _hypot_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, ...]:
    # leg / out; 0 at the origin, where the ray has no direction, as for norm
    zero = filled(b, 0, node)
    origin = b(eq, node, zero)
    length = b(where, origin, filled(b, 1, node), node)
    return tuple(b(mul, ct, b(div, b(where, origin, zero, x), length)) for x in node.inputs)


def _tanh_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # With t = exp(-2|x|): 1 - tanh² = 4t / (1 + t)², without cancellation in the tails. |x| is
    # x times its sign, for the rule is smooth at 0, where the derivative of abs would be 0
    x, one = node.inputs[0], filled(b, 1, ct)
    t = b(exp, b(mul, x, b(neg, b(copysign, filled(b, 2, ct), x))))
    below = b(add, one, t)
    return (b(mul, ct, b(div, b(mul, t, filled(b, 4, ct)), b(mul, below, below))),)


_CIRCLE = (0.0, 1e3, np.inf, np.nan)
sin = elementwise("sin", "sin(x)", "cos(x)", kinds=FLOATS, nasty=_CIRCLE)
cos = elementwise("cos", "cos(x)", "-sin(x)", kinds=FLOATS, nasty=_CIRCLE)
_LARGE = (0.0, -0.0, 1e-6, 30.0, -30.0, np.inf, -np.inf, np.nan)
_UNIT = (0.0, -0.0, 1.0, -1.0, 1e-6, 0.75, -0.75, 2.0, np.inf, -np.inf, np.nan)
tan = elementwise(
    "tan", "tan(x)", "1 + out ** 2", kernel="sin(x) / cos(x)", kinds=FLOATS,
    domain=(-1.0, 1.0), nasty=(0.0, -0.0, 1e3, np.inf, np.nan),
)  # fmt: skip
sinh = elementwise("sinh", "sinh(x)", "cosh(x)", kernel=_sinh, kinds=FLOATS, nasty=_LARGE)
cosh = elementwise("cosh", "cosh(x)", "sinh(x)", kernel=_cosh, kinds=FLOATS, nasty=_LARGE)
tanh = elementwise("tanh", "tanh(x)", "1 / cosh(x) ** 2", vjp=_tanh_vjp, saves=(0,), kinds=FLOATS)
asin = elementwise(
    "asin", "arcsin(x)", "1 / sqrt(1 - x * x)", kernel=_asin, vjp=("rsqrt((1 - x) * (1 + x))",),
    kinds=FLOATS, domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
acos = elementwise(
    "acos", "arccos(x)", "-1 / sqrt(1 - x * x)", kernel=_acos, vjp=("-rsqrt((1 - x) * (1 + x))",),
    kinds=FLOATS, domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
atan = elementwise(
    "atan", "arctan(x)", "1 / (1 + x * x)", kernel=_atan, kinds=FLOATS, domain=(-4.0, 4.0)
)
atan2 = elementwise(
    "atan2", "arctan2(x, y)", "y / (x * x + y * y)", "-x / (x * x + y * y)", kernel=_atan2,
    vjp=_atan2_vjp, saves=(0, 1), kinds=FLOATS,
    domain=(0.3, 3.0), nasty=(0.0, -0.0, 1.0, -1.0, 1e3, np.inf, -np.inf, np.nan),
)  # fmt: skip
asinh = elementwise(
    "asinh", "arcsinh(x)", "1 / sqrt(x * x + 1)", kernel=_asinh, vjp=("rsqrt(x * x + 1)",),
    kinds=FLOATS,
)  # fmt: skip
acosh = elementwise(
    "acosh", "arccosh(x)", "1 / sqrt(x * x - 1)", kernel=_acosh, vjp=("rsqrt((x - 1) * (x + 1))",),
    kinds=FLOATS, domain=(1.2, 4.0),
)  # fmt: skip
atanh = elementwise(
    "atanh", "arctanh(x)", "1 / (1 - x * x)", kernel=_atanh, vjp=("1 / ((1 - x) * (1 + x))",),
    kinds=FLOATS, domain=(-0.9, 0.9), nasty=_UNIT,
)  # fmt: skip
hypot = elementwise(
    "hypot", "hypot(x, y)", "x / out", "y / out", kernel=_hypot,
    vjp=_hypot_vjp, saves=(0, 1, OUT), kinds=FLOATS, domain=(0.3, 3.0),
)  # fmt: skip

TABLE = (
    sin, cos, tan, sinh, cosh, tanh, asin, acos, atan, atan2, asinh, acosh, atanh, hypot
)  # fmt: skip
