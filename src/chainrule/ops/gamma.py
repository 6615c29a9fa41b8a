"""The logarithm of the gamma function, its derivative ψ, and the derivatives of ψ.

For positive x the argument is moved into [1.5, 2.5], where a polynomial holds, or x ≥ 8.5 takes
Stirling's series; negative x are reflected. Polynomials were fitted for this file to 60 digits.
Errors against mpmath: see `tests/ops/test_special.py`. Example: `lgamma(5)` = log 24.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base.dtypes import float32
from chainrule.base.errors import ArgumentError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import mul
from chainrule.ops.elementwise import FLOATS, elementwise
from chainrule.ops.expression import Number, Wide, horner, wide
from chainrule.ops.record import Array, Builder, Illegal, Map, Op, Sample

# lgamma(2 + z) = z·P(z) and ψ(2 + z) = P(z) for |z| ≤ 1/2, highest power first
_GAMMA = (
    -1.3219945666117874e-07, 2.78740805211359e-07, -4.3252393445604814e-07, 9.200527894968101e-07,
    -2.0439048107029907e-06, 4.38470440459836e-06, -9.438715099211532e-06, 2.0505590755833454e-05,
    -4.49263133791557e-05, 9.945767355819498e-05, -0.00022315475400520507, 0.0005096695154115458,
    -0.0011927539118428156, 0.002890510331034267, -0.0073855510286719986, 0.02058080842778038,
    -0.0673523010531981, 0.32246703342411326, 0.42278433509846713,
)  # fmt: skip
_PSI = (
    -2.5861773625857027e-06, 5.17334585434095e-06, -7.278587670411483e-06, 1.4564976260589657e-05,
    -3.068902288655258e-05, 6.144972571559871e-05, -0.0001226967064798969, 0.00024605326824719294,
    -0.0004941902550788927, 0.0009945784300194591, -0.002008392730204003, 0.00407735600617157,
    -0.008349277384931816, 0.017343061990467628, -0.03692775514332708, 0.08232323371105249,
    -0.20205690315959446, 0.6449340668482267, 0.42278433509846713,
)  # fmt: skip
# Stirling: Σ B₂ₖ / (2k·(2k - 1)) x^(1 - 2k) and Σ B₂ₖ / 2k x^(-2k)
_STIRLING = (
    -0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417,
    -0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
)  # fmt: skip
_TAIL = (
    -0.4432598039215686, 0.08333333333333333, -0.021092796092796094, 0.007575757575757576,
    -0.004166666666666667, 0.003968253968253968, -0.008333333333333333, 0.08333333333333333,
)  # fmt: skip
_FAR = 8.5
_STEPS = 6  # from below _FAR down to [1.5, 2.5]
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 12  # terms of Σ (x + k)^-s that are added one by one


def _lgamma(x: Number) -> Number:
    size = abs(x)
    near, above, below = size, size * 0.0 + 1.0, size * 0.0 + 1.0
    for _ in range(_STEPS):
        big = near >= 2.5
        near = big.where(near - 1.0, near)
        above = big.where(above * near, above)
    for _ in range(2):
        small = near < 1.5
        below = small.where(below * near, below)
        near = small.where(near + 1.0, near)
    z = near - 2.0
    middle = z * horner(z, _GAMMA) + above.call("log") - below.call("log")
    logged, inverse = size.call("log"), 1.0 / size
    series = inverse * horner(inverse * inverse, _STIRLING)
    far = (size - 0.5) * (logged - 1.0) + (series + (math.log(2 * math.pi) - 1) / 2)
    out = (size >= _FAR).where(far, middle)
    _, sine = _turn(size)
    reflected = math.log(math.pi) - logged - abs(sine).call("log") - out
    out = (x < 0.0).where(reflected, out)
    return (size == math.inf).where(math.inf, out)


def _turn(size: Number) -> tuple[Number, Number]:
    """cos(π·size) and sin(π·size), up to one common sign."""
    angle = (size - size.call("round")) * math.pi
    return angle.call("cos"), angle.call("sin")


def _digamma(x: Number) -> Number:
    negative = x < 0.0
    size = negative.where(-x, x)
    near, rest = size, size * 0.0
    for _ in range(_STEPS):
        big = near >= 2.5
        near = big.where(near - 1.0, near)
        rest = big.where(rest + 1.0 / near, rest)
    for _ in range(2):
        small = near < 1.5
        rest = small.where(rest - 1.0 / near, rest)
        near = small.where(near + 1.0, near)
    middle = horner(near - 2.0, _PSI) + rest
    inverse = 1.0 / size
    square = inverse * inverse
    far = size.call("log") - 0.5 * inverse - square * horner(square, _TAIL)
    out = (size >= _FAR).where(far, middle)
    cosine, sine = _turn(size)
    whole = negative.where(sine, 1.0) == 0.0
    reflected = whole.where(math.nan, out + inverse + math.pi * cosine / sine)
    out = negative.where(reflected, out)
    return (x == math.inf).where(math.inf, out)


def _cotangent(order: int) -> list[float]:
    """dⁿ/dzⁿ cot(πz) as a polynomial in c = cot(πz), highest power first."""
    found = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(order):
        found = -math.pi * np.polynomial.Polynomial([1.0, 0.0, 1.0]) * found.deriv()
    return [float(c) for c in found.coef[::-1]]


def _power(x: Number, n: int) -> Number:
    out = x
    for _ in range(n - 1):
        out = out * x
    return out


def _polygamma(x: Number, n: int) -> Number:
    """(-1)ⁿ⁺¹ n! Σ (x + k)⁻ⁿ⁻¹: the first terms, then Euler and Maclaurin's formula."""
    negative = x < 0.0
    size = negative.where(1.0 - x, x)
    s = n + 1
    total = _power(1.0 / size, s)
    for k in range(1, _SHIFT):
        total = total + _power(1.0 / (size + k), s)
    r = 1.0 / (size + _SHIFT)
    factors, rising = [], float(s)  # s·(s + 1)·…·(s + 2j - 2)
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        factors.append(bernoulli * rising / math.factorial(2 * j))
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    square = r * r
    rest = 1.0 / n + 0.5 * r + square * horner(square, factors[::-1])
    out = (total + _power(r, n) * rest) * ((-1) ** (n + 1) * math.factorial(n))
    cosine, sine = _turn(negative.where(-x, x))
    # ψₙ(x) = (-1)ⁿ ψₙ(1 - x) - π dⁿ/dxⁿ cot(πx)
    turned = horner(-(cosine / sine), _cotangent(n))
    reflected = (-1) ** n * out - math.pi * turned
    whole = negative.where(sine, 1.0) == 0.0
    end = math.inf if n % 2 else -math.inf
    return whole.where(end, negative.where(reflected, out))


def _of_order(n: int) -> Wide:
    return wide(lambda x: _polygamma(x, n))


def _order_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(mul, ct, b(polygamma, node.inputs[0], n=node.attrs["n"] + 1)),)


def _order_numpy(ins: Any, attrs: Attrs) -> Array:
    return _of_order(attrs["n"]).numpy(*ins)


def _with_order(plain: Op) -> Op:
    """The record with the attribute `n`, from one without."""

    def infer(ins: tuple[Type, ...], attrs: Attrs, infer: Any = plain.infer) -> Type:
        if attrs["n"] < 1:
            raise ArgumentError(f"polygamma is the n-th derivative of ψ, n ≥ 1, not {attrs['n']}")
        return infer(ins, attrs)  # type: ignore[no-any-return]

    def samples(
        rng: np.random.Generator, dtype: np.dtype[Any], samples: Any = plain.samples
    ) -> Iterable[Sample]:
        for number, sample in enumerate(samples(rng, dtype)):
            yield sample._replace(attrs={"n": 1 + number % 3})

    return dataclasses.replace(
        plain,
        infer=infer,
        numpy=_order_numpy,
        lower=Map(lambda k, node, x: _of_order(node.attrs["n"]).emit(k, node, x)),
        samples=samples,
        illegal=(
            *[i._replace(attrs={"n": 1}) for i in plain.illegal],
            Illegal((Type(float32, (2,)),), {"n": 0}, ArgumentError),
        ),
    )


polygamma: Op = _with_order(
    elementwise(
        "polygamma",
        "polygamma(x)",
        vjp=_order_vjp,
        saves=(0,),
        kinds=FLOATS,
        domain=(0.4, 4.0),
        nasty=(0.0, 1e-6, -0.5, -1.0, -2.25, 0.5, 1.0, 30.0, np.inf, np.nan),
    )
)
_EDGES = (0.0, -0.0, 1e-30, 1e-6, 0.5, 1.0, 2.0, -0.5, -1.0, -2.25, -7.5, 30.0, 1e6, np.inf, np.nan)
digamma = elementwise(
    "digamma",
    "digamma(x)",
    computed=_digamma,
    vjp=lambda b, node, ct: (b(mul, ct, b(polygamma, node.inputs[0], n=1)),),
    saves=(0,),
    kinds=FLOATS,
    domain=(0.4, 12.0),
    nasty=_EDGES,
)
lgamma = elementwise(
    "lgamma",
    "lgamma(x)",
    "digamma(x)",
    computed=_lgamma,
    kinds=FLOATS,
    domain=(0.4, 12.0),
    nasty=(*_EDGES, -np.inf),
)

TABLE = (lgamma, digamma, polygamma)
