"""Bitwise logic and shifts of integers; they carry no gradient. Of bools, see `comparison`.

A shift by a count outside 0 … bits-1 moves every bit out: 0, or -1 for a negative number to the
right. Example: `bitwise_xor(x, full(-1))` turns every bit.
"""

from __future__ import annotations

from chainrule.ops.elementwise import INTEGERS, elementwise

bitwise_and = elementwise("bitwise_and", "bitwise_and(x, y)", kinds=INTEGERS)
bitwise_or = elementwise("bitwise_or", "bitwise_or(x, y)", kinds=INTEGERS)
bitwise_xor = elementwise("bitwise_xor", "bitwise_xor(x, y)", kinds=INTEGERS)
bitwise_left_shift = elementwise("bitwise_left_shift", "left_shift(x, y)", kinds=INTEGERS)
bitwise_right_shift = elementwise("bitwise_right_shift", "right_shift(x, y)", kinds=INTEGERS)

TABLE = (bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift)
