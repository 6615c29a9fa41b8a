"""Bits of integers, logic of bools, and tests of numbers: signs, infinities, closeness.

Example: `isclose(x, y, atol=1e-3)`; `bitwise_and(mask, other)` is also `mask & other`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, operands
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import elementary, pointwise
from chainrule.tensor.functional.forms import binary_of, deliver, of_kinds, with_out
from chainrule.tensor.functional.reduce import all as all_of

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "isclose",
    "isneginf",
    "isposinf",
    "isreal",
    "signbit",
]


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


@with_out
def signbit(input: Operand) -> Tensor:
    """True where input is negative, -0.0 among them."""
    x = as_tensor(input)
    if x.dtype is dtypes.bool_:
        return pointwise.logical_and(x, False)
    return pointwise.lt(elementary.copysign(1.0, x) if x.dtype.kind == "float" else x, 0)


@with_out
def isposinf(input: Operand) -> Tensor:
    """True where input is +inf."""
    return pointwise.eq(input, math.inf)


@with_out
def isneginf(input: Operand) -> Tensor:
    """True where input is -inf."""
    return pointwise.eq(input, -math.inf)


def isreal(input: Operand) -> Tensor:
    """True everywhere: there are no complex numbers here."""
    return pointwise.ge(pointwise.mul(pointwise.ne(input, input), 1), 0)


@of_kinds
def isclose(
    input: Operand,
    other: Operand,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether |input - other| ≤ atol + rtol · |other|, infinities only if equal."""
    x, y = operands(input, other)
    if as_tensor(input).dtype is not as_tensor(other).dtype:
        raise DTypeError("isclose needs equal dtypes: convert one with x.to(other.dtype)")
    if not (rtol >= 0 and atol >= 0):
        raise ArgumentError(f"isclose needs rtol and atol of 0 or more, not {rtol} and {atol}")
    same = pointwise.eq(x, y)
    if x.dtype is dtypes.bool_:
        return same
    apart = pointwise.abs(pointwise.sub(x, y))
    near = pointwise.le(apart, pointwise.add(pointwise.mul(pointwise.abs(y), rtol), atol))
    near = pointwise.logical_or(same, pointwise.logical_and(near, pointwise.isfinite(apart)))
    if equal_nan:
        near = pointwise.logical_or(
            near, pointwise.logical_and(pointwise.isnan(x), pointwise.isnan(y))
        )
    return near


@of_kinds
def allclose(
    input: Operand,
    other: Operand,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> bool:
    """Whether all elements are close (see `isclose`), as a Python bool."""
    return bool(all_of(isclose(input, other, rtol, atol, equal_nan)).item())


def equal(input: Operand, other: Operand) -> bool:
    """Whether shapes and all elements are equal, as a Python bool."""
    x, y = as_tensor(input), as_tensor(other)
    return x.shape == y.shape and bool(all_of(pointwise.eq(x, y)).item())
