"""Arithmetic with broadcasting and promotion: + - × ÷, extremes, signs, rounding and remainders.

Example: `mul(x, 2.0)`; ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, KindError
from chainrule.base.source import warn
from chainrule.ops import TABLE
from chainrule.tensor import fast_path
from chainrule.tensor.convert import (
    Operand,
    as_tensor,
    cast,
    floating,
    operands,
    pair,
    result_dtype,
)
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional.forms import (
    also_in_order,
    binary_of,
    deliver,
    floating_pair_of,
    named,
    unary_of,
    with_numpy_names,
    with_out,
)
from chainrule.tensor.handle import Handle
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "addcdiv", "addcmul", "ceil", "copysign", "div", "divide", "fix",
    "floor", "floor_divide", "fmod", "frac", "maximum", "minimum", "mul", "multiply", "neg",
    "negative", "positive", "reciprocal", "remainder", "round", "rsub", "sgn", "sign", "square",
    "sub", "subtract", "true_divide", "trunc",
]  # fmt: skip


neg = unary_of(TABLE["neg"], "-input, element by element.")
abs = unary_of(TABLE["abs"], "|input|; derivative sign(input), 0 at 0.")
floor = unary_of(TABLE["floor"], "Largest integer not above input; derivative 0.")
ceil = unary_of(TABLE["ceil"], "Smallest integer not below input; derivative 0.")
trunc = unary_of(TABLE["trunc"], "Integer part; derivative 0.")
mul = binary_of(TABLE["mul"], "input · other; of bools: both.", TABLE["logical_and"])
maximum = binary_of(
    TABLE["maximum"], "The larger of two; a tie shares the gradient equally.", TABLE["logical_or"]
)
minimum = binary_of(
    TABLE["minimum"], "The smaller of two; a tie shares the gradient equally.", TABLE["logical_and"]
)


def _quotient_of(name: str, text: str) -> Callable[..., Tensor]:
    """A function of two operands, of which integers are not divided by zero."""
    divided = binary_of(TABLE[name], text)

    def function(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if not (isinstance(other, Handle) and other.dtype.kind == "float"):
            if not isinstance(other, (Handle, bool, int, float)):
                other = as_tensor(other)
            if result_dtype([input, other]).kind == "int":
                rule = "integers are divided by numbers other than 0"
                other = require(name, other, lambda v: v != 0, rule)
        return divided(input, other, out=out)

    return named(function, name, text)


remainder = _quotient_of("remainder", "input modulo other, with the sign of other.")
fmod = _quotient_of("fmod", "input modulo other, with the sign of input.")
floor_divide = _quotient_of("floor_divide", "The largest integer not above input / other.")
plus = binary_of(TABLE["add"], "input + other; of bools: either.", TABLE["logical_or"])
minus = binary_of(TABLE["sub"], "input - other.")


def _older(name: str, alpha: Operand, *last: Operand) -> tuple[Operand, Operand]:
    """Other and alpha of a call in the order (input, alpha, other)."""
    if len(last) > 1:
        raise KindError(f"{name} takes two operands, not {2 + len(last)} arguments")
    warn(f"this order of arguments is old: {name}(input, alpha, other); use {name}(x, y, alpha=…)")
    return last[0], alpha


def _scaled(other: Operand, alpha: Operand) -> Operand:
    return other if type(alpha) is int and alpha == 1 else mul(other, alpha)


def add(
    input: Operand, other: Operand, *last: Operand, alpha: Operand = 1, out: Tensor | None = None
) -> Tensor:
    """input + alpha · other; of bools: either. Also in PyTorch's older order: add(x, alpha, y)."""
    if last:
        other, alpha = _older("add", other, *last)
    return plus(input, _scaled(other, alpha), out=out)


def sub(
    input: Operand, other: Operand, *last: Operand, alpha: Operand = 1, out: Tensor | None = None
) -> Tensor:
    """input - alpha · other. Also in PyTorch's older order: sub(x, alpha, y)."""
    if last:
        other, alpha = _older("sub", other, *last)
    return minus(input, _scaled(other, alpha), out=out)


@with_numpy_names
@also_in_order(("input", "other", "alpha"))
def rsub(input: Operand, other: Operand, *, alpha: Operand = 1) -> Tensor:
    """other - alpha · input."""
    return sub(other, input, alpha=alpha)


def _any_quotient(input: Operand, other: Operand, out: Tensor | None) -> Tensor:
    x, y = map(floating, pair(input, other))
    ready = x is input and y is other
    return deliver(apply(TABLE["div"], x, y), out) if ready else over(x, y, out=out)


over = named(fast_path.binary(TABLE["div"], _any_quotient), "div", "input / other, never rounded.")


def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """input / other: true division, or rounded towards zero ("trunc") or down ("floor")."""
    if rounding_mode is None:
        return over(input, other, out=out)
    if rounding_mode not in {"trunc", "floor"}:
        raise ArgumentError(f"rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}")
    if rounding_mode == "floor":
        return deliver(floor_divide(input, other), out)
    if result_dtype([input, other]).kind == "int":
        x, y = operands(input, other)
        return deliver(floor_divide(sub(x, fmod(x, y)), y), out)
    return deliver(trunc(over(input, other)), out)


def square(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """input · input; of bools as int64."""
    if out is not None:
        return deliver(square(input), out)
    x = as_tensor(input)
    x = cast(x, dtypes.int64) if x.dtype is dtypes.bool_ else x
    return mul(x, x)


def sign(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1; derivative 0; bools as they are."""
    x = as_tensor(input)
    made = apply(TABLE["logical_and"], x, x) if x.dtype is dtypes.bool_ else apply(TABLE["sign"], x)
    return deliver(made, out)


def reciprocal(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """1 / input."""
    return div(1.0, input, out=out)


def round(input: Operand, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest multiple of 10^-decimals, ties to even; derivative 0."""
    x = as_tensor(input)
    if decimals and x.dtype.kind == "float":
        if builtins.abs(check_whole("round: decimals", decimals)) > _MOST_DECIMALS:
            raise ArgumentError(f"round: no float has {decimals} decimals")
        scale = 10.0 ** builtins.abs(decimals)
        up, down = (mul, div) if decimals > 0 else (div, mul)
        return deliver(down(apply(TABLE["round"], up(x, scale)), scale), out)
    return deliver(apply(TABLE["round"], x), out)


_MOST_DECIMALS = 308  # of float64: the largest power of ten


@with_out
@also_in_order(("input", "value", "tensor1", "tensor2"))
def addcmul(input: Operand, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> Tensor:
    """input + value · tensor1 · tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@with_out
@also_in_order(("input", "value", "tensor1", "tensor2"))
def addcdiv(input: Operand, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> Tensor:
    """input + value · tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)


subtract = sub
multiply = mul
divide = true_divide = div
negative = neg
absolute = abs
sgn = sign
fix = trunc
copysign = floating_pair_of(TABLE["copysign"], "|input| with the sign of other.")


def positive(input: Operand) -> Tensor:
    """The input itself."""
    return as_tensor(input)


@with_out
def frac(input: Operand) -> Tensor:
    """What `trunc` cuts off, with the sign of input."""
    return sub(input, trunc(input))
