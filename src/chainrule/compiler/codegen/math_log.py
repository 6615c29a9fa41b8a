"""log, log1p and pow as vector instructions.

log splits x = 2^e·m by integer arithmetic on the bits, with m around 1, and evaluates
log m = log(1 + f), f = m - 1: by a polynomial in f (float32), or by the series in s = f / (2 + f)
(float64; the scheme of fdlibm's e_log.c). Polynomials were fitted for this file by Remez exchange.
Errors are maxima measured against float64 or 45-digit references. Imports math_vector only.

Example: `log(lines, "float32", ["%x"])` appends 30 instructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.codegen.math_exp import exp_of_parts
from chainrule.compiler.codegen.math_vector import Lines, Vector

# (log(1 + f) - f) / f² on [-1/3, 1/3]
_LOG32 = (
    -0.49999937415122986,
    0.33333200216293335,
    -0.250077486038208,
    0.20011073350906372,
    -0.1641702950000763,
    0.13997134566307068,
    -0.1538359820842743,
    0.14020580053329468,
)
# (log((1 + s) / (1 - s)) - 2s - 2/3·s³) / s⁵ in z = s² on [0, 0.0295]
_LOG64 = (
    0.3999999999999998,
    0.2857142857144515,
    0.2222222221752708,
    0.1818181887147063,
    0.1538455679187189,
    0.13336320472516605,
    0.11674756346233736,
    0.11989532260378083,
)
_LN2_HIGH, _LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
_MANY = 2.0**65
_TWO_THIRDS_LOW = 3.700743415417188e-17  # 2/3 minus its double


@dataclass(frozen=True, slots=True)
class _Format:
    """Bits of the least m (2/3 or √½) and of infinity; the bound below which numbers are scaled."""

    least: int
    normal: float
    scale: int  # subnormal numbers are multiplied by 2^scale


_FORMATS = {
    "float32": _Format(0x3F2AAAAB, 2.0**-126, 24),
    "float64": _Format(0x3FE6A09E667F3BCD, 2.0**-1022, 54),
}


def _exponent(v: Vector, bits: str) -> tuple[str, str]:
    """(e, e << mantissa) for positive normal numbers 2^e·m with m in [least, 2·least).

    e is a floating number, made by writing the biased exponent into the last bits of 2^mantissa:
    AVX2 has no conversion from 64-bit integers.
    """
    offset = (v.bias << v.mantissa) - _FORMATS[v.dtype].least
    shifted = v.integers("add", bits, v.integer(offset))
    biased = v.integers("lshr", shifted, v.integer(v.mantissa))
    base = 2.0**v.mantissa
    marker = v.integer((v.bias + v.mantissa) << v.mantissa)  # the bits of 2^mantissa
    e = v.sub(v.from_bits(v.integers("or", biased, marker)), v.number(base + v.bias))
    field = v.integers("shl", biased, v.integer(v.mantissa))
    return e, v.integers("sub", field, v.integer(v.bias << v.mantissa))


def _split(v: Vector, x: str) -> tuple[str, str]:
    """(e, f) with x = 2^e·(1 + f), for positive finite x, subnormal ones too."""
    fmt = _FORMATS[v.dtype]
    small = v.compare("olt", x, v.number(fmt.normal))
    scaled = v.select(small, v.mul(x, v.number(2.0**fmt.scale)), x)
    bits = v.to_bits(scaled)
    e, field = _exponent(v, bits)
    f = v.sub(v.from_bits(v.integers("sub", bits, field)), v.number(1.0))
    return v.select(small, v.sub(e, v.number(fmt.scale)), e), f


def _log_sum(v: Vector, e: str, f: str) -> str:
    """e·ln 2 + log(1 + f)."""
    if v.dtype == "float32":
        near = v.fma(v.mul(f, f), v.horner(f, _LOG32), f)
        return v.fma(e, v.number(_LN2_HIGH), near)
    s = v.div(f, v.add(f, v.number(2.0)))
    z = v.mul(s, s)
    half_square = v.mul(v.mul(f, v.number(0.5)), f)
    rest = v.mul(z, v.fma(z, v.horner(z, _LOG64), v.number(2 / 3)))
    inner = v.fma(s, v.add(half_square, rest), v.mul(e, v.number(_LN2_LOW)))
    near = v.sub(f, v.sub(half_square, inner))
    return v.fma(e, v.number(_LN2_HIGH), near)


def _at_the_ends(v: Vector, x: str, zero: str, result: str) -> str:
    """`result`, but x itself for inf and NaN, NaN where `zero` < 0 and -inf where it is 0."""
    inside = v.compare("olt", x, v.number(math.inf))
    result = v.select(inside, result, x)
    nothing = v.number(0.0)
    result = v.select(v.compare("olt", zero, nothing), v.number(math.nan), result)
    return v.select(v.compare("oeq", zero, nothing), v.number(-math.inf), result)


def log(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """ln x; -inf at 0, NaN below. Error ≤ 1.1 ulp (float32), 0.8 ulp (float64)."""
    v = Vector(lines, dtype)
    e, f = _split(v, ins[0])
    return _at_the_ends(v, ins[0], ins[0], _log_sum(v, e, f))


def log1p(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """ln(1 + x), accurate near 0. Error ≤ 1.8 ulp (float32), 1.1 ulp (float64).

    With 2^e taken from 1 + x, f = x/2^e + (1/2^e - 1) is rounded once. All is done with 4/2^e,
    which stays a normal number for the largest x (after N. Juffa's log1pf).
    """
    v = Vector(lines, dtype)
    x = ins[0]
    total = v.add(x, v.number(1.0))
    e, field = _exponent(v, v.to_bits(total))
    four = v.from_bits(v.integers("sub", v.integer((v.bias + 2) << v.mantissa), field))
    quarter = v.number(0.25)
    f = v.fma(v.mul(x, four), quarter, v.fma(four, quarter, v.number(-1.0)))
    return v.copysign(_at_the_ends(v, x, total, _log_sum(v, e, f)), x)


def _log_of_parts(v: Vector, x: str) -> tuple[str, str]:
    """ln x as an unevaluated sum of two float64 numbers, to about 2^-64 relative."""
    one = v.number(1.0)
    e, f = _split(v, x)
    below = v.add(f, v.number(2.0))
    below_low = v.sub(f, v.sub(below, v.number(2.0)))
    inverse = v.div(one, below)
    s = v.mul(f, inverse)
    left = v.fma(v.neg(s), below_low, v.fma(v.neg(s), below, f))
    s_low = v.mul(left, inverse)
    z, z_low = v.product(s, s)
    z_low = v.fma(v.add(s, s), s_low, z_low)
    two_thirds = v.number(2 / 3)
    ratio, ratio_low = v.ordered_sum(two_thirds, v.mul(z, v.horner(z, _LOG64)))
    ratio_low = v.add(ratio_low, v.number(_TWO_THIRDS_LOW))
    t, t_low = v.product(z, ratio)
    t_low = v.fma(z, ratio_low, v.fma(z_low, ratio, t_low))
    cube, cube_low = v.product(s, t)
    cube_low = v.fma(s, t_low, v.fma(s_low, t, cube_low))
    near, near_low = v.ordered_sum(v.add(s, s), cube)
    near_low = v.add(v.add(near_low, cube_low), v.add(s_low, s_low))
    far, far_low = v.product(e, v.number(_LN2_HIGH))
    far_low = v.fma(e, v.number(_LN2_LOW), far_low)
    high, low = v.ordered_sum(far, near)
    return high, v.add(v.add(low, far_low), near_low)


def _magnitude(v: Vector, x: str, y: str) -> str:
    """x^y for 0 < x < inf in float64.

    y is clamped where x^y is 0, 1 or infinite anyway, so that y·ln x is finite.
    """
    high, low = _log_of_parts(v, x)
    y = v.between(y, -_MANY, _MANY)
    power, power_low = v.product(y, high)
    power_low = v.between(v.fma(y, low, power_low), -0.25, 0.25)
    return exp_of_parts(v, power, power_low)


def _magnitude_narrow(v: Vector, x: str, y: str) -> str:
    """x^y for 0 < x < inf in float32, by way of exp and log of float64."""
    w = v.widened()
    e, f = _split(w, v.widen(w, x))
    bounded = w.between(v.widen(w, y), -_MANY, _MANY)
    power = w.mul(bounded, _log_sum(w, e, f))
    return v.narrow(w, exp_of_parts(w, power, None))


def pow(lines: Lines, dtype: str, ins: Sequence[str]) -> str:
    """x^y with the special cases of C and NumPy: x^0 = 1^y = 1 even for NaN; (-8)^(1/3) is NaN.

    Error ≤ 0.51 ulp (float32, through float64), 1.2 ulp (float64).
    """
    v = Vector(lines, dtype)
    x, y = ins
    zero, one, infinity = v.number(0.0), v.number(1.0), v.number(math.inf)
    size = v.abs(x)
    magnitude = (_magnitude if dtype == "float64" else _magnitude_narrow)(v, size, y)
    vanishing = v.compare("oeq", size, zero)
    endless = v.compare("oeq", size, infinity)
    shrinks = v.masks("xor", vanishing, v.compare("olt", y, zero))
    extreme = v.select(shrinks, zero, infinity)
    result = v.select(v.masks("or", vanishing, endless), extreme, magnitude)
    whole = v.trunc(y)
    half = v.mul(y, v.number(0.5))
    odd = v.masks("and", v.compare("oeq", whole, y), v.compare("une", v.trunc(half), half))
    signed = v.masks("and", odd, v.compare("olt", v.copysign(one, x), zero))
    result = v.select(signed, v.neg(result), result)
    inner = v.masks("and", v.compare("olt", x, zero), v.compare("one", size, infinity))
    no_root = v.masks("and", inner, v.compare("une", whole, y))
    undefined = v.masks("or", no_root, v.compare("uno", x, y))
    result = v.select(undefined, v.number(math.nan), result)
    certain = v.masks("or", v.compare("oeq", y, zero), v.compare("oeq", x, one))
    return v.select(certain, one, result)
