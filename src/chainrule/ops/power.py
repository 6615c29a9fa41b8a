"""Powers of integers, exact and modulo 2^bits. Example: `whole_power(3, 40)` = 3⁴⁰.

A negative exponent gives what is left of the fraction: 1 or -1 of these two, else 0.
"""

from __future__ import annotations

import numpy as np

from chainrule.ops.compare import no_gradient
from chainrule.ops.elementwise import INTEGERS, record
from chainrule.ops.expression import Number
from chainrule.ops.record import Array


def _power(x: Array, y: Array) -> Array:
    out = np.power(x, np.maximum(y, 0))
    if x.dtype.kind == "u" or not (y < 0).any():
        return out
    parts = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0)).astype(x.dtype)
    return np.where(y < 0, parts, out)


def _squared(x: Number, y: Number) -> Number:
    """Repeated squaring, one step for each bit of the exponent."""
    signed = x.dtype.is_signed
    square: Number = x
    out: Number | int = 1
    for bit in range(8 * x.dtype.itemsize - signed):
        odd = y.call("bitwise_and", 1 << bit) != 0
        out = odd.where(out * square, out)
        square = square * square
    assert isinstance(out, Number)
    if not signed:
        return out
    flip = 1 - 2 * y.call("bitwise_and", 1)
    parts = (x == 1).where(1, (x == -1).where(flip, 0))
    return (y < 0).where(parts, out)


whole_power = record(
    "whole_power", "x ** y", numpy=_power, kernel=_squared, vjp=no_gradient,
    kinds=INTEGERS, domain=(-3.0, 6.0),
)  # fmt: skip

TABLE = (whole_power,)
