"""Bits of integers as methods of `Tensor`. Example: `x.bitwise_and(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import bitwise
from chainrule.tensor.methods.in_place import in_place


class BitwiseMethods:
    """A part of `Methods`."""

    __slots__ = ()

    bitwise_and = bitwise.bitwise_and
    bitwise_left_shift = bitwise.bitwise_left_shift
    bitwise_not = bitwise.bitwise_not
    bitwise_or = bitwise.bitwise_or
    bitwise_right_shift = bitwise.bitwise_right_shift
    bitwise_xor = bitwise.bitwise_xor

    # in place
    bitwise_and_ = in_place(bitwise.bitwise_and)
    bitwise_left_shift_ = in_place(bitwise.bitwise_left_shift)
    bitwise_not_ = in_place(bitwise.bitwise_not)
    bitwise_or_ = in_place(bitwise.bitwise_or)
    bitwise_right_shift_ = in_place(bitwise.bitwise_right_shift)
    bitwise_xor_ = in_place(bitwise.bitwise_xor)
