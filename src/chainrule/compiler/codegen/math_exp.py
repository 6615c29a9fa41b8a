"""exp, expm1, sigmoid, tanh and erf as vector instructions.

All reduce x = n·ln 2 + r with |r| ≤ ln 2 / 2 by a rounding addition and two fused multiply-adds
(Cody and Waite), then evaluate a minimax polynomial in r. Polynomials were fitted for this file by
Remez exchange, each float32 coefficient rounded before the next was refitted. Errors are maxima
measured against float64 or 45-digit references. Imports math_vector only.

Example: `exp(lines, "float32", ["%x"])` appends 13 instructions with AVX-512, 18 without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.codegen.math_vector import Lines, Vector

_LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class _Constants:
    """Constants of a format: ln 2 in two parts, range ends and polynomials."""

    ln2_high: float
    ln2_low: float
    exp_low: float  # exp is 0 below and infinite above, by a factor of 2 and more
    exp_high: float
    expm1_low: float  # expm1 is -1 below and infinite above
    expm1_high: float
    series: tuple[float, ...]  # (e^r - 1 - r) / r²


_CONSTANTS = {
    "float32": _Constants(
        0.6931471824645996,
        -1.9046542121259336e-09,
        -105.0,
        90.0,
        -18.0,
        88.8,
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
        -746.0,
        711.0,
        -38.0,
        709.8,
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


def exp_of_parts(v: Vector, x: str, low: str | None) -> str:
    """e^(x + low), where |low| is below 1/4; None is 0.

    Without `scalef` the power of two is applied in two halves, each a normal number. Where
    subnormal numbers are kept, a 0 is chosen, not computed: e^-∞ is frequent, in masked softmax.
    """
    constants = _CONSTANTS[v.dtype]
    if v.lines.subnormal:
        zero, gone = v.number(0), v.compare("ole", x, v.number(constants.exp_low))
        return v.select(gone, zero, _exp(v, v.select(gone, zero, x), low))
    return _exp(v, x, low)


def _exp(v: Vector, x: str, low: str | None) -> str:
    constants = _CONSTANTS[v.dtype]
    x = v.between(x, constants.exp_low, constants.exp_high)
    r, n, bits = _reduce(v, x, 2 * v.bias)
    if low is not None:
        r = v.add(r, low)
    power = v.horner(r, (1.0, 1.0, *constants.series))
    if v.has_scalef():
        return v.scalef(power, n)
    half = v.integers("lshr", bits, v.integer(1))
    scaled = v.mul(power, v.power_of_two(half))
    return v.mul(scaled, v.power_of_two(v.integers("sub", bits, half)))


def exp(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """e^x, subnormal results included. Error ≤ 0.9 ulp (float32), 0.9 ulp (float64)."""
    return exp_of_parts(Vector(lines, dtype), ins[0], None)


def _expm1_half(v: Vector, x: str) -> str:
    """(e^x - 1) / 2 = s·(e^r - 1) + (s - 1/2) with s = 2^(n-1), which stays finite at the top."""
    r, _, bits = _reduce(v, x, v.bias - 1)
    rest = v.fma(v.mul(r, r), v.horner(r, _CONSTANTS[v.dtype].series), r)
    s = v.power_of_two(bits)
    return v.fma(s, rest, v.sub(s, v.number(0.5)))


def expm1(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """e^x - 1, exact in sign and accurate near 0. Error ≤ 1.5 ulp (float32), 1.9 ulp (float64)."""
    v = Vector(lines, dtype)
    constants = _CONSTANTS[dtype]
    half = _expm1_half(v, v.between(ins[0], constants.expm1_low, constants.expm1_high))
    return v.copysign(v.add(half, half), ins[0])


def sigmoid(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """1 / (1 + e^-x) = 2^a / (2^a + 2^(a-m)·e^-r), where m = round(x / ln 2) and a = ⌊m/2⌋.

    Halving the exponent keeps every factor a normal number, so that tiny results are right
    although e^-x itself would overflow. The polynomial is that of -e^-r / 4: the shift which
    makes 2^(a-m) leaves the sign bit set and the exponent two too high, which costs nothing to
    undo there. Error ≤ 2.4 ulp (float32), 2.0 ulp (float64).
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


def tanh(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """tanh x = h / (h + 1) with h = (e^(2|x|) - 1) / 2 and the sign of x, never beyond ±1.

    Error ≤ 2.5 ulp (float32), 2.3 ulp (float64).
    """
    v = Vector(lines, dtype)
    x = v.at_most(v.abs(ins[0]), 20.0)
    half = _expm1_half(v, v.add(x, x))
    return v.copysign(v.div(half, v.add(half, v.number(1.0))), ins[0])


# log(erfc a) = -2a/√π + a²·P(a): P on [0, 3.95] and [0, 5.95], relative error of erf below 2^-27
# and 2^-55
_ERF = {
    "float32": (
        -0.636619508266449,
        -0.10277687758207321,
        0.019149983301758766,
        0.0001654814841458574,
        -0.0016716324025765061,
        0.0006351394695229828,
        -0.00011823492241092026,
        9.317624062532559e-06,
    ),
    "float64": (
        -0.6366197723675876,
        -0.10277260330144224,
        0.01912844699532542,
        0.00020919483168977505,
        -0.001696207529074844,
        0.0005901318213958616,
        -2.590261272589133e-05,
        -6.442481307488467e-05,
        2.9583267260013482e-05,
        -3.179984370699613e-06,
        -3.1219689932864403e-06,
        2.027896369038566e-06,
        -5.643681437736516e-07,
        8.331245560916777e-09,
        6.718821764023264e-08,
        -3.508340315967766e-08,
        1.0908123045648649e-08,
        -2.388841538280445e-09,
        3.8059675665622267e-10,
        -4.354810059599196e-11,
        3.407254381239258e-12,
        -1.6362689135817642e-13,
        3.641710004518679e-15,
    ),
}
_ERF_ONE = {"float32": 3.95, "float64": 5.95}  # from here on erf rounds to 1
_TWO_OVER_SQRT_PI = {
    "float32": (1.128379225730896, -5.863538336197871e-08),
    "float64": (1.1283791670955126, 1.533545961316588e-17),
}


def erf(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """erf x = -expm1(log(erfc |x|)) with the sign of x, never beyond ±1.

    log ∘ erfc is smooth, so one polynomial serves all of x, and no division is needed.
    Error ≤ 1.8 ulp (float32), 1.7 ulp (float64).
    """
    v = Vector(lines, dtype)
    high, low = _TWO_OVER_SQRT_PI[dtype]
    a = v.at_most(v.abs(ins[0]), _ERF_ONE[dtype])
    tail = v.mul(a, v.horner(a, (-low, *_ERF[dtype])))
    q = v.fma(a, v.number(-high), tail)
    n, bits = v.round_biased(q, _LOG2_E, v.bias)
    r = v.fma(n, v.number(-_CONSTANTS[dtype].ln2_high), q)
    rest = v.fma(v.mul(r, r), v.horner(r, _CONSTANTS[dtype].series), r)
    s = v.neg(v.power_of_two(bits))
    return v.copysign(v.fma(s, rest, v.add(s, v.number(1.0))), ins[0])
