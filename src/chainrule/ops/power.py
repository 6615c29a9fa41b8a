"""Powers of integers, exact and modulo 2^bits. Example: `whole_power(3, 40)` = 3⁴⁰.

A negative exponent gives what is left of the fraction: 1 or -1 of these two, else 0.
"""

from __future__ import annotations

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.activation import const
from chainrule.ops.elementwise import INTEGERS, record
from chainrule.ops.record import Array, Op, Tiles


def _power(x: Array, y: Array) -> Array:
    out = np.power(x, np.maximum(y, 0))
    if x.dtype.kind == "u" or not (y < 0).any():
        return out
    parts = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0)).astype(x.dtype)
    return np.where(y < 0, parts, out)


def _emit(k: Tiles, node: Node, x: str, y: str) -> str:
    """Repeated squaring, one step for each bit of the exponent."""
    one, zero = const(k, 1, node), const(k, 0, node)
    signed = node.dtype.is_signed
    square, out = x, one
    for bit in range(8 * node.dtype.itemsize - signed):
        odd = k("ne", k("and", y, const(k, 1 << bit, node)), zero)
        out = k("select", odd, k("mul", out, square), out)
        square = k("mul", square, square)
    if not signed:
        return out
    flip = k("sub", one, k("mul", const(k, 2, node), k("and", y, one)))
    parts = k("select", k("eq", x, const(k, -1, node)), flip, zero)
    parts = k("select", k("eq", x, one), one, parts)
    return k("select", k("lt", y, zero), parts, out)


whole_power: Op = record("whole_power", _power, 2, emit=_emit, kinds=INTEGERS, domain=(-3.0, 6.0))

TABLE = (whole_power,)
