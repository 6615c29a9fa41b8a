"""Tails of the normal distribution: exp(x²)·erfc(x), and the quantiles.

Example: `ndtri(0.975)` = 1.95996; errors against mpmath: see `tests/ops/test_special.py`.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.kernel import erf as series
from chainrule.ops.elementwise import FLOATS, record
from chainrule.ops.expression import Number, horner

_SLOPE = 2 / math.sqrt(math.pi)
_ROOT_TAU = math.sqrt(2 * math.pi)
# A start for quantiles, to 4.5e-4: Abramowitz and Stegun 26.2.23, highest power first
_START_P = (0.010328, 0.802853, 2.515517)
_START_Q = (0.001308, 0.189269, 1.432788, 1.0)


def _ratio(x: Number, above: tuple[float, ...], below: tuple[float, ...]) -> Number:
    return horner(x, above) / horner(x, below)


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


erfcx = record(
    "erfcx",
    "erfcx(x)",
    "2 * (x * out) - 2 / sqrt(pi)",
    computed=_erfcx,
    kinds=FLOATS,
    nasty=(0.0, -0.0, 0.4, 5.0, 1e5, 1e30, -5.0, -30.0, np.inf, -np.inf, np.nan),
)
ndtri = record(
    "ndtri",
    "ndtri(x)",
    "exp(0.5 * (out * out)) * sqrt(2 * pi)",
    computed=_ndtri,
    kinds=FLOATS,
    domain=(0.05, 0.95),
    nasty=(0.0, 1.0, 0.5, 1e-6, 1e-30, 0.25, -1.0, 2.0, np.inf, np.nan),
)

TABLE = (erfcx, ndtri)
