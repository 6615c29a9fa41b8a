"""exp, expm1, sigmoid and tanh as vector instructions.

All reduce x = n·ln 2 + r with |r| ≤ ln 2 / 2 by a rounding addition and two fused multiply-adds
(Cody and Waite), then evaluate a minimax polynomial in r (fitted for this file by Remez exchange,
each coefficient rounded before the next was refitted). tanh of float32 is a rational function.
Errors are maxima measured against float64 or 60-digit references. Imports math_vector only.

Example: `exp(lines, "float32", ["%x"])` appends 13 instructions with AVX-512, 18 without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.codegen.math_vector import Lines, Vector

_LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format: ln 2 in two parts, range ends and polynomials."""

    ln2_high: float
    ln2_low: float
    exp_low: float  # exp is 0 below and infinite above
    exp_high: float
    expm1_low: float  # expm1 is -1 below
    series: tuple[float, ...]  # (e^r - 1 - r) / r²


_CONSTANTS = {
    "float32": _Constants(
        0.6931471824645996,
        -1.9046542121259336e-09,
        -104.0,
        88.8,
        -18.0,
        (
            0.4999999701976776,
            0.1666654497385025,
            0.04166746512055397,
            0.008366423659026623,
            0.0013868316309526563,
        ),
    ),
    "float64": _Constants(
        0.6931471805599453,
        2.3190468138462996e-17,
        -745.2,
        709.8,
        -38.0,
        (
            0.5000000000000007,
            0.16666666666666696,
            0.041666666666562074,
            0.008333333333293102,
            0.001388888893629434,
            0.00019841269987251172,
            2.480149961077538e-05,
            2.7557116597650823e-06,
            2.7628288023605395e-07,
            2.5161442212006975e-08,
        ),
    ),
}


def _reduce(v: Vector, x: str, bias: int) -> tuple[str, str, str]:
    """(r, n, bits) with x = n·ln 2 + r; the low bits of `bits` hold n + bias."""
    constants = _CONSTANTS[v.dtype]
    n, bits = v.round_biased(x, _LOG2_E, bias)
    r = v.fma(n, v.number(-constants.ln2_high), x)
    return v.fma(n, v.number(-constants.ln2_low), r), n, bits


def exp(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """e^x. Error ≤ EEE ulp (float32), EEE ulp (float64), subnormal results included.

    Without `scalef` the power of two is applied in two halves, each a normal number.
    """
    v = Vector(lines, dtype)
    constants = _CONSTANTS[dtype]
    x = v.between(ins[0], constants.exp_low, constants.exp_high)
    r, n, bits = _reduce(v, x, 2 * v.bias)
    power = v.horner(r, (1.0, 1.0, *constants.series))
    if v.has_scalef():
        return v.scalef(power, n)
    half = v.integers("lshr", bits, v.integer(1))
    scaled = v.mul(power, v.power_of_two(half))
    return v.mul(scaled, v.power_of_two(v.integers("sub", bits, half)))


def _expm1_half(v: Vector, x: str) -> str:
    """(e^x - 1) / 2 = s·(e^r - 1) + (s - 1/2) with s = 2^(n-1), which stays finite at the top."""
    r, _, bits = _reduce(v, x, v.bias - 1)
    rest = v.fma(v.mul(r, r), v.horner(r, _CONSTANTS[v.dtype].series), r)
    s = v.power_of_two(bits)
    return v.fma(s, rest, v.sub(s, v.number(0.5)))


def expm1(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """e^x - 1, exact in sign and accurate near 0. Error ≤ EEE ulp (float32), EEE ulp (float64)."""
    v = Vector(lines, dtype)
    constants = _CONSTANTS[dtype]
    half = _expm1_half(v, v.between(ins[0], constants.expm1_low, constants.exp_high))
    return v.copysign(v.add(half, half), ins[0])


def sigmoid(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """1 / (1 + e^-x) = 2^a / (2^a + 2^(a-m)·e^-r), where m = round(x / ln 2) and a = ⌊m/2⌋.

    Halving the exponent keeps every factor a normal number, so that tiny results are right
    although e^-x itself would overflow. The polynomial is that of -e^-r / 4: the shift which
    makes 2^(a-m) leaves the sign bit set and the exponent two too high, which costs nothing to
    undo there. Error ≤ EEE ulp (float32), EEE ulp (float64).
    """
    v = Vector(lines, dtype)
    constants = _CONSTANTS[dtype]
    x = v.between(ins[0], constants.exp_low, -constants.exp_low)
    r, _, bits = _reduce(v, x, 2 * v.bias)
    series = (1.0, 1.0, *constants.series)
    power = v.horner(r, [(-c if k % 2 == 0 else c) / 4 for k, c in enumerate(series)])
    half = v.integers("lshr", bits, v.integer(1))
    one = v.power_of_two(half)
    rest = v.power_of_two(v.integers("sub", half, bits))
    return v.div(one, v.fma(power, rest, one))


# tanh x = x·P(x²)/Q(x²), relative minimax on [0, 9.01]
_TANH_TOP = (
    1.0,
    0.1338038444519043,
    0.0034948301035910845,
    2.0596551621565595e-05,
    1.3337198900842395e-08,
)
_TANH_BOTTOM = (
    1.0,
    0.46713700890541077,
    0.025874095037579536,
    0.0003284392296336591,
    7.769442049720965e-07,
)


def tanh(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """tanh x, never beyond ±1. Error ≤ EEE ulp (float32), EEE ulp (float64).

    float32: x·P(x²)/Q(x²). float64: h / (h + 1) with h = (e^(2|x|) - 1) / 2.
    """
    v = Vector(lines, dtype)
    if dtype == "float32":
        x = v.between(ins[0], -9.01, 9.01)
        square = v.mul(x, x)
        top = v.mul(x, v.horner(square, _TANH_TOP))
        return v.div(top, v.horner(square, _TANH_BOTTOM))
    x = v.at_most(v.abs(ins[0]), 20.0)
    half = _expm1_half(v, v.add(x, x))
    return v.copysign(v.div(half, v.add(half, v.number(1.0))), ins[0])
