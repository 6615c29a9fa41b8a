"""The error function, what it lacks of 1, the tails of the normal distribution, and the inverses.

Example: `erfc(x)` = 1 - erf(x), of which 1 - erf(x) itself would leave nothing for x > 6;
`ndtri(0.975)` = 1.95996. Errors against mpmath: see `tests/ops/test_special.py`.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.kernel import erf as series
from chainrule.ops.elementwise import FLOATS, elementwise
from chainrule.ops.expression import Number, horner
from chainrule.ops.record import Array

_SLOPE = 2 / math.sqrt(math.pi)
_ROOT_TAU = math.sqrt(2 * math.pi)
# erfinv(x) ≈ x·P(w), w = -log(1 - x²): in w - 2.5 below 5, in √w - 3 above; highest power first
_NEAR = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_END = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip
# A start for quantiles, to 4.5e-4: Abramowitz and Stegun 26.2.23, highest power first
_START_P = (0.010328, 0.802853, 2.515517)
_START_Q = (0.001308, 0.189269, 1.432788, 1.0)


def _ratio(x: Number, above: tuple[float, ...], below: tuple[float, ...]) -> Number:
    return horner(x, above) / horner(x, below)


def _erfc(x: Number) -> Number:
    """In the three ranges of `kernel.erf`."""
    size = abs(x).call("minimum", 28)
    grid = (size * 16).call("trunc") * (1 / 16)
    rest = (size - grid) * (size + grid)
    bell = (-(grid * grid)).call("exp") * (-rest).call("exp")
    middle = bell * _ratio(size, series.TAIL_P, series.TAIL_Q)
    far = size.call("maximum", 1)
    inverse = 1 / (far * far)
    bend = inverse * _ratio(inverse, series.FAR_P, series.FAR_Q)
    end = bell / far * (_SLOPE / 2 - bend)
    tail = (size > series.FAR).where(end, middle)
    tail = (x < 0).where(2 - tail, tail)
    square = size * size
    centre = x * _ratio(square, series.CENTRE_P, series.CENTRE_Q)
    return (size <= series.CENTRE).where(1 - centre, tail)


erf = elementwise("erf", "erf(x)", "2 / sqrt(pi) * exp(-x * x)", kinds=FLOATS)
erfc = elementwise(
    "erfc", "1 - erf(x)", "-2 / sqrt(pi) * exp(-x * x)", numpy=series.erfc, kernel=_erfc,
    kinds=FLOATS,
)  # fmt: skip


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


def _erfinv(x: Number) -> Number:
    size = abs(x)
    w = -((1 - size) * (1 + size)).call("log")
    near = horner(w - 2.5, _NEAR)
    root = w.call("maximum", 5).call("sqrt") - 3
    y = size * (w < 5).where(near, horner(root, _END))
    upper = size > 0.5
    for _ in range(3):
        rest = _erfc(y)
        beyond = ((1 - size) / rest).call("log") * rest
        error = upper.where(beyond, y.call("erf") - size)
        y = y - error / (_SLOPE * (-(y * y)).call("exp"))
    y = (size == 1).where(math.inf, y)
    return (size > 1).where(math.nan, y).call("copysign", x)


erfinv = elementwise(
    "erfinv",
    "erfinv(x)",
    "exp(out * out) * (1 / (2 / sqrt(pi)))",
    numpy=_inverse,
    kernel=_erfinv,
    kinds=FLOATS,
    domain=(-0.9, 0.9),
    nasty=(0.0, -0.0, 1.0, -1.0, 1e-6, 0.9, -0.99, 2.0, np.inf, np.nan),
)


def _scaled_tail(size: Number) -> Number:
    """exp(x²)·erfc(x) for x ≥ 0, in the three ranges of `kernel.erf`."""
    small = size.call("minimum", 1.0)
    low = small * small
    centre = low.call("exp") * (1.0 - small * _ratio(low, series.CENTRE_P, series.CENTRE_Q))
    middle = size.call("minimum", series.FAR)
    middle = _ratio(middle, series.TAIL_P, series.TAIL_Q)
    far = size.call("maximum", 1.0)
    inverse = (1.0 / far) / far
    end = (_SLOPE / 2 - inverse * _ratio(inverse, series.FAR_P, series.FAR_Q)) / far
    out = (size > series.FAR).where(end, middle)
    return (size > series.CENTRE).where(out, centre)


def _erfcx(x: Number) -> Number:
    size = abs(x)
    tail = _scaled_tail(size)
    grid = (size * 16.0).call("trunc") / 16.0  # exp(x²) in two parts, the first of which is exact
    rest = (size - grid) * (size + grid)
    reflected = 2.0 * (grid * grid).call("exp") * rest.call("exp") - tail
    reflected = (size > 27.0).where(math.inf, reflected)
    return (x < 0.0).where(reflected, tail)


def _ndtri(p: Number) -> Number:
    """Newton's method on log Φ(-z) for the smaller of both tails."""
    lower = p.call("minimum", 1.0 - p)
    logged = lower.call("log")
    root = (logged * -2.0).call("sqrt")
    z = root - _ratio(root, _START_P, _START_Q)
    for _ in range(3):
        tail = _scaled_tail(z.call("maximum", 0.0) * math.sqrt(0.5)) * 0.5
        error = tail.call("log") - 0.5 * z * z - logged
        z = z + error * tail * _ROOT_TAU
    z = (p == 0.5).where(0.0, z)
    z = (lower == 0.0).where(math.inf, z)
    z = (lower < 0.0).where(math.nan, z)
    return (p < 0.5).where(-z, z)


erfcx = elementwise(
    "erfcx",
    "erfcx(x)",
    "2 * (x * out) - 2 / sqrt(pi)",
    computed=_erfcx,
    kinds=FLOATS,
    nasty=(0.0, -0.0, 0.4, 5.0, 1e5, 1e30, -5.0, -30.0, np.inf, -np.inf, np.nan),
)
ndtri = elementwise(
    "ndtri",
    "ndtri(x)",
    "exp(0.5 * (out * out)) * sqrt(2 * pi)",
    computed=_ndtri,
    kinds=FLOATS,
    domain=(0.05, 0.95),
    nasty=(0.0, 1.0, 0.5, 1e-6, 1e-30, 0.25, -1.0, 2.0, np.inf, np.nan),
)

TABLE = (erf, erfc, erfinv, erfcx, ndtri)
