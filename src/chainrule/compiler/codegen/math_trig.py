"""sin and cos as vector instructions, for |x| ≤ 2^44.

x = n·π/2 + r with |r| ≤ π/4 by three fused multiply-adds with parts of π/2 (Cody and Waite), then
a minimax polynomial for sin r or cos r, chosen by the quadrant n mod 4. Everything is computed in
float64, so float32 results are correctly rounded but for rare ties. Imports math_vector only.

Example: `sin(lines, "float64", ["%x"])` appends 31 instructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.compiler.codegen.math_vector import Lines, Vector

_LIMIT = 2.0**44
# all positive, so that sin(-0) = -0
_HALF_PI = (1.5707963267948966, 6.123233995736765e-17, 1.082856673921914e-32)
# (sin r / r - 1) / r² and (cos r - 1 + r²/2) / r⁴ in r², for |r| ≤ π/4 + 0.004
_SIN = {
    "float32": (
        -0.1666666664059056,
        0.00833332926409535,
        -0.00019839295279408813,
        2.7179317753370086e-06,
    ),
    "float64": (
        -0.1666666666666663,
        0.008333333333321856,
        -0.0001984126982934285,
        2.755731352454096e-06,
        -2.5050731037974754e-08,
        1.589517958074516e-10,
    ),
}
_COS = {
    "float32": (
        0.04166666662101467,
        -0.0013888883594981075,
        2.479947774858665e-05,
        -2.720671519725933e-07,
    ),
    "float64": (
        0.041666666666666595,
        -0.0013888888888873372,
        2.4801587288991288e-05,
        -2.755731420496348e-07,
        2.087570254559173e-09,
        -1.1358541183047526e-11,
    ),
}


def _wave(lines: Lines, dtype: str, x: str, quarters: int) -> str:
    """sin(x + quarters·π/2)."""
    v = Vector(lines, dtype)
    w = v.widened() if dtype == "float32" else v
    wide = v.widen(w, x) if dtype == "float32" else x
    n, quadrant = w.round_biased(wide, 2 / math.pi, quarters)
    r = wide
    for part in _HALF_PI:
        r = w.fma(n, w.number(-part), r)
    z = w.mul(r, r)
    sine = w.mul(r, w.fma(z, w.horner(z, _SIN[dtype]), w.number(1.0)))
    flat = w.fma(z, w.horner(z, _COS[dtype]), w.number(-0.5))
    cosine = w.fma(z, flat, w.number(1.0))
    is_odd = w.same_integers(w.integers("and", quadrant, w.integer(1)), w.integer(1))
    chosen = w.to_bits(w.select(is_odd, cosine, sine))
    upper = w.integers("and", quadrant, w.integer(2))
    sign = w.integers("shl", upper, w.integer(w.bits - 2))
    value = w.from_bits(w.integers("xor", chosen, sign))
    result = v.narrow(w, value) if dtype == "float32" else value
    known = v.compare("ole", v.abs(x), v.number(_LIMIT))
    return v.select(known, result, v.number(math.nan))


def sin(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """sin x for |x| ≤ 2^44, beyond it NaN. Error ≤ 0.51 ulp (float32), 1.8 ulp (float64)."""
    return _wave(lines, dtype, ins[0], 0)


def cos(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """cos x for |x| ≤ 2^44, beyond it NaN. Error ≤ 0.51 ulp (float32), 1.8 ulp (float64)."""
    return _wave(lines, dtype, ins[0], 1)
