"""Comparison, logic and choice: tests of numbers, `where`, and limits.

Example: `isclose(x, y, atol=1e-3)`; `clamp(x, 0, 1)`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import (
    Operand,
    as_tensor,
    cast,
    check_fits,
    expand,
    floating,
    operands,
)
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.forms import binary_of, deliver, of_kinds, with_out
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "clamp", "clamp_max", "clamp_min", "clip", "eq", "fmax", "fmin", "ge", "greater",
    "greater_equal", "gt", "heaviside", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "isreal", "le", "lerp", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "lt", "nan_to_num", "ne", "not_equal", "signbit", "where",
]  # fmt: skip


eq = binary_of(TABLE["eq"], "input == other as bool.")
ne = binary_of(TABLE["ne"], "input != other as bool.")
lt = binary_of(TABLE["lt"], "input < other as bool.")
le = binary_of(TABLE["le"], "input <= other as bool.")
gt = binary_of(TABLE["gt"], "input > other as bool.")
ge = binary_of(TABLE["ge"], "input >= other as bool.")


def where(
    condition: Operand, input: Operand = None, other: Operand = None, *, out: Tensor | None = None
) -> Tensor:
    """input where condition holds, other elsewhere; all three broadcast.

    With a condition alone: the places where it holds, as `nonzero(condition, as_tuple=True)`.
    """
    if out is not None:
        return deliver(where(condition, input, other), out)
    from chainrule.tensor.functional import gather

    choice = as_tensor(condition)
    if input is None and other is None:
        return gather.nonzero(choice, as_tuple=True)  # type: ignore[no-any-return]
    if choice.dtype is not dtypes.bool_:
        raise DTypeError(f"where takes a condition of bools, not {choice.dtype}; use c != 0")
    x, y = operands(input, other)
    for number in (input, other):
        if type(number) is float:
            check_fits(number, x.dtype)
    choice, *_ = operands(choice, x, dtype=dtypes.bool_) if choice.shape != x.shape else (choice,)
    return apply(TABLE["where"], choice, expand(x, choice.shape), expand(y, choice.shape))


@one_call
@with_out
def clamp(input: Operand, min: Operand = None, max: Operand = None) -> Tensor:
    """input limited to [min, max]; the gradient passes at the bounds themselves."""
    x = as_tensor(input)
    if min is None and max is None:
        raise ArgumentError("clamp needs min, max or both")
    if min is not None:
        x = where(lt(x, min), min, x)
    if max is not None:
        x = where(gt(x, max), max, x)
    return x


@with_out
def clamp_min(input: Operand, min: Operand) -> Tensor:
    """Input, but at least min."""
    return clamp(input, min=min)


@with_out
def clamp_max(input: Operand, max: Operand) -> Tensor:
    """Input, but at most max."""
    return clamp(input, max=max)


clip = clamp


@with_out
def lerp(input: Operand, end: Operand, weight: Operand) -> Tensor:
    """input + weight · (end - input), from the end that is nearer: weight 1 gives `end` exactly."""
    way = arithmetic.sub(end, input)
    if isinstance(weight, int | float):
        if builtins.abs(weight) < 0.5:
            return arithmetic.add(input, arithmetic.mul(weight, way))
        return arithmetic.sub(end, arithmetic.mul(1 - weight, way))
    first = lt(arithmetic.abs(weight), 0.5)
    part = where(first, weight, arithmetic.sub(weight, 1))
    return arithmetic.add(where(first, input, end), arithmetic.mul(part, way))


@with_out
def logical_not(input: Operand) -> Tensor:
    """True where input is zero or False."""
    return apply(TABLE["logical_not"], _as_bool(input))


def _as_bool(x: Operand) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype is dtypes.bool_ else ne(x, 0)


def _logical(name: str, text: str) -> Callable[..., Tensor]:
    op = TABLE[name]

    def function(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        return deliver(apply(op, *operands(_as_bool(input), _as_bool(other))), out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


logical_and = _logical("logical_and", "True where both are.")
logical_or = _logical("logical_or", "True where either is.")
logical_xor = _logical("logical_xor", "True where exactly one is.")


def isnan(input: Operand) -> Tensor:
    """True where input is NaN."""
    return ne(input, input)


def isinf(input: Operand) -> Tensor:
    """True where input is +inf or -inf."""
    return eq(arithmetic.abs(floating(input)), float("inf"))


def isfinite(input: Operand) -> Tensor:
    """True where input is neither NaN nor infinite."""
    return lt(arithmetic.abs(floating(input)), float("inf"))


greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne


@with_out
def heaviside(input: Operand, values: Operand) -> Tensor:
    """0 where input is negative, 1 where positive, values where it is 0; no gradient."""
    x, at_zero = operands(input, values)
    step = cast(gt(x, 0), x.dtype)
    return where(eq(x, 0), at_zero, step).detach()


@with_out
def nan_to_num(
    input: Operand,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Input with NaN as 0 and infinities as the largest finite numbers, or as given."""
    x = as_tensor(input)
    if x.dtype.kind != "float":
        return x
    largest = x.dtype.largest
    y = where(eq(x, math.inf), largest if posinf is None else posinf, x)
    y = where(eq(x, -math.inf), -largest if neginf is None else neginf, y)
    return where(ne(x, x), 0.0 if nan is None else nan, y)


def _ignoring_nan(input: Operand, other: Operand, wins: Callable[..., Tensor]) -> Tensor:
    x, y = operands(input, other)
    return where(logical_or(wins(x, y), ne(y, y)), x, y)


@with_out
def fmax(input: Operand, other: Operand) -> Tensor:
    """The larger of two, input at a tie; the other one where one is NaN."""
    return _ignoring_nan(input, other, ge)


@with_out
def fmin(input: Operand, other: Operand) -> Tensor:
    """The smaller of two, input at a tie; the other one where one is NaN."""
    return _ignoring_nan(input, other, le)


@with_out
def signbit(input: Operand) -> Tensor:
    """True where input is negative, -0.0 among them."""
    x = as_tensor(input)
    if x.dtype is dtypes.bool_:
        return logical_and(x, False)
    return lt(arithmetic.copysign(1.0, x) if x.dtype.kind == "float" else x, 0)


@with_out
def isposinf(input: Operand) -> Tensor:
    """True where input is +inf."""
    return eq(input, math.inf)


@with_out
def isneginf(input: Operand) -> Tensor:
    """True where input is -inf."""
    return eq(input, -math.inf)


def isreal(input: Operand) -> Tensor:
    """True everywhere: there are no complex numbers here."""
    return ge(arithmetic.mul(ne(input, input), 1), 0)


@of_kinds
def isclose(
    input: Operand, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |input - other| ≤ atol + rtol · |other|, infinities only if equal."""
    x, y = operands(input, other)
    if as_tensor(input).dtype is not as_tensor(other).dtype:
        raise DTypeError("isclose needs equal dtypes: convert one with x.to(other.dtype)")
    if not (rtol >= 0 and atol >= 0):
        raise ArgumentError(f"isclose needs rtol and atol of 0 or more, not {rtol} and {atol}")
    same = eq(x, y)
    if x.dtype is dtypes.bool_:
        return same
    apart = arithmetic.abs(arithmetic.sub(x, y))
    near = le(apart, arithmetic.add(arithmetic.mul(arithmetic.abs(y), rtol), atol))
    near = logical_or(same, logical_and(near, isfinite(apart)))
    if equal_nan:
        near = logical_or(near, logical_and(isnan(x), isnan(y)))
    return near
