"""Bitwise logic and shifts of integers; they carry no gradient. Of bools, see `compare`.

A shift by a count outside 0 … bits-1 moves every bit out: 0, or -1 for a negative number to the
right. Example: `bitwise_xor(x, full(-1))` turns every bit.
"""

from __future__ import annotations

import numpy as np

from chainrule.ops.compare import no_gradient
from chainrule.ops.elementwise import INTEGERS, record
from chainrule.ops.record import Op


def _bitwise(name: str, fn: np.ufunc, primitive: str) -> Op:
    return record(
        name,
        fn,
        2,
        kinds=INTEGERS,
        vjp=no_gradient,
        emit=lambda k, node, x, y: k(primitive, x, y),  # noqa: ARG005 - the signature
    )


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "and")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "or")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "xor")
bitwise_left_shift = _bitwise("bitwise_left_shift", np.left_shift, "shl")
bitwise_right_shift = _bitwise("bitwise_right_shift", np.right_shift, "shr")

TABLE = (bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift)
