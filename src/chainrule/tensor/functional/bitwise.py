"""Bits of integers; of bools, logic. Example: `bitwise_and(mask, other)` is also `mask & other`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional.forms import binary_of, deliver

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor",
]  # fmt: skip


def _logic(name: str, text: str) -> Callable[..., Tensor]:
    return binary_of(TABLE[f"bitwise_{name}"], text, TABLE[f"logical_{name}"])


bitwise_and = _logic("and", "The bits that both have; of bools: both.")
bitwise_or = _logic("or", "The bits that either has; of bools: either.")
bitwise_xor = _logic("xor", "The bits that exactly one has; of bools: exactly one.")
bitwise_left_shift = binary_of(TABLE["bitwise_left_shift"], "Integers · 2^other, by bits.")
bitwise_right_shift = binary_of(TABLE["bitwise_right_shift"], "⌊integers / 2^other⌋, by bits.")


def bitwise_not(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """Every bit turned; of bools: not."""
    x = as_tensor(input)
    if x.dtype is dtypes.bool_:
        return deliver(apply(TABLE["logical_not"], x), out)
    if x.dtype.kind == "float":
        raise DTypeError(f"bitwise_not needs integers or bools, not {x.dtype}")
    return deliver(bitwise_xor(x, -1 if x.dtype.is_signed else 255), out)
