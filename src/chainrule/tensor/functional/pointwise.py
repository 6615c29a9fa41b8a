"""Elementwise functions of one or two tensors, with broadcasting and promotion.

Example: `mul(x, 2.0)`; ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, DTypeError, KindError
from chainrule.base.source import warn
from chainrule.ops import TABLE
from chainrule.tensor import fast_path
from chainrule.tensor.convert import (
    Operand,
    as_tensor,
    cast,
    check_fits,
    expand,
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
    floating_of,
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
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "cos",
    "div",
    "divide",
    "eq",
    "erf",
    "exp",
    "expm1",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmod",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "ne",
    "neg",
    "negative",
    "not_equal",
    "pow",
    "reciprocal",
    "relu",
    "remainder",
    "round",
    "rsqrt",
    "rsub",
    "sgn",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tanh",
    "true_divide",
    "trunc",
    "where",
]


neg = unary_of(TABLE["neg"], "-input, element by element.")
abs = unary_of(TABLE["abs"], "|input|; derivative sign(input), 0 at 0.")
floor = unary_of(TABLE["floor"], "Largest integer not above input; derivative 0.")
ceil = unary_of(TABLE["ceil"], "Smallest integer not below input; derivative 0.")
trunc = unary_of(TABLE["trunc"], "Integer part; derivative 0.")
relu = unary_of(TABLE["relu"], "max(input, 0); derivative 0 at 0.")
exp = floating_of(TABLE["exp"], "e to the power of input.")
expm1 = floating_of(TABLE["expm1"], "exp(input) - 1, exact near 0.")
log = floating_of(TABLE["log"], "Natural logarithm: -inf at 0, NaN below.")
log1p = floating_of(TABLE["log1p"], "log(1 + input), exact near 0.")
sqrt = floating_of(TABLE["sqrt"], "Square root: NaN below 0, derivative inf at 0.")
rsqrt = floating_of(TABLE["rsqrt"], "1 / sqrt(input).")
sin = floating_of(TABLE["sin"], "Sine of input in radians.")
cos = floating_of(TABLE["cos"], "Cosine of input in radians.")
tanh = floating_of(TABLE["tanh"], "Hyperbolic tangent; its derivative is exact in the tails.")
sigmoid = floating_of(TABLE["sigmoid"], "1 / (1 + exp(-input)); derivative exact in the tails.")
erf = floating_of(TABLE["erf"], "The error function 2/√π ∫₀ˣ exp(-t²) dt.")
silu = floating_of(TABLE["silu"], "input · sigmoid(input), also called swish.")
logsigmoid = floating_of(TABLE["logsigmoid"], "log(sigmoid(input)), finite everywhere.")

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
                other = require(name, other, _is_not_zero, rule)
        return divided(input, other, out=out)

    return named(function, name, text)


def _is_not_zero(value: Any) -> Any:
    return value != 0


remainder = _quotient_of("remainder", "input modulo other, with the sign of other.")
fmod = _quotient_of("fmod", "input modulo other, with the sign of input.")
floor_divide = _quotient_of("floor_divide", "The largest integer not above input / other.")
eq = binary_of(TABLE["eq"], "input == other as bool.")
ne = binary_of(TABLE["ne"], "input != other as bool.")
lt = binary_of(TABLE["lt"], "input < other as bool.")
le = binary_of(TABLE["le"], "input <= other as bool.")
gt = binary_of(TABLE["gt"], "input > other as bool.")
ge = binary_of(TABLE["ge"], "input >= other as bool.")


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
    """Input + alpha · other; of bools: either. Also in PyTorch's older order: add(x, alpha, y)."""
    if last:
        other, alpha = _older("add", other, *last)
    return plus(input, _scaled(other, alpha), out=out)


def sub(
    input: Operand, other: Operand, *last: Operand, alpha: Operand = 1, out: Tensor | None = None
) -> Tensor:
    """Input - alpha · other. Also in PyTorch's older order: sub(x, alpha, y)."""
    if last:
        other, alpha = _older("sub", other, *last)
    return minus(input, _scaled(other, alpha), out=out)


@with_numpy_names
@also_in_order(("input", "other", "alpha"))
def rsub(input: Operand, other: Operand, *, alpha: Operand = 1) -> Tensor:
    """Other - alpha · input."""
    return sub(other, input, alpha=alpha)


def _any_quotient(input: Operand, other: Operand, out: Tensor | None) -> Tensor:
    x, y = map(floating, pair(input, other))
    ready = x is input and y is other
    return deliver(apply(TABLE["div"], x, y), out) if ready else over(x, y, out=out)


over = named(fast_path.binary(TABLE["div"], _any_quotient), "div", "input / other, never rounded.")


def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """Input / other: true division, or rounded towards zero ("trunc") or down ("floor")."""
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


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """x · x · … by repeated squaring: exact for integers, which wrap around."""
    out: Tensor | None = None
    while True:
        if exponent & 1:
            out = x if out is None else mul(out, x)
        exponent >>= 1
        if not exponent:
            return apply(TABLE["reshape"], x, shape=x.shape) if out is None else out
        x = mul(x, x)


def _number_power(x: Tensor, exponent: Any) -> Tensor | None:
    """A power with a number as exponent that is cheaper or more exact by other means."""
    if x.dtype.kind != "float":
        if isinstance(exponent, float):
            x = floating(x)
        elif exponent < 0:
            raise ArgumentError(f"integers have no power {exponent}: use x.float() ** {exponent}")
        elif x.dtype is not dtypes.bool_ and exponent:
            return _whole_power(x, exponent)
        else:
            return None
    if exponent in {1, 2, 3}:
        whole = _whole_power(x, int(exponent))
        return apply(TABLE["reshape"], x, shape=x.shape) if whole is x else whole
    if exponent == 0.5:
        return sqrt(x)
    return div(1.0, x) if exponent == -1 else None


@with_out
def pow(input: Operand, exponent: Operand) -> Tensor:
    """Input to the power of exponent; small constant exponents become products and roots."""
    if isinstance(exponent, (int, float)) and not isinstance(input, (int, float)):
        quick = _number_power(as_tensor(input), exponent)
        if quick is not None:
            return quick
    base, power = operands(input, exponent)
    if base.dtype.kind != "float":
        if base.dtype is dtypes.bool_:
            return cast(pow(cast(base, dtypes.uint8), cast(power, dtypes.uint8)), base.dtype)
        return apply(TABLE["whole_power"], base, power)
    return apply(TABLE["pow"], base, power)


@with_out
def float_power(input: Operand, exponent: Operand) -> Tensor:
    """Input to the power of exponent in float64."""
    return apply(TABLE["pow"], *operands(input, exponent, dtype=dtypes.float64))


def square(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """Input · input; of bools as int64."""
    if out is not None:
        return deliver(square(input), out)
    x = as_tensor(input)
    x = cast(x, dtypes.int64) if x.dtype is dtypes.bool_ else x
    return mul(x, x)


def sign(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1; derivative 0; bools as they are."""
    x = as_tensor(input)
    return deliver(logical_and(x, x) if x.dtype is dtypes.bool_ else apply(TABLE["sign"], x), out)


def reciprocal(input: Operand, *, out: Tensor | None = None) -> Tensor:
    """1 / input."""
    return div(1.0, input, out=out)


def where(
    condition: Operand, input: Operand = None, other: Operand = None, *, out: Tensor | None = None
) -> Tensor:
    """Input where condition holds, other elsewhere; all three broadcast.

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
def clamp(input: Operand, min: Operand = None, max: Operand = None) -> Tensor:
    """Input limited to [min, max]; the gradient passes at the bounds themselves."""
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
    """Input + weight · (end - input), from the end that is nearer: weight 1 gives `end` exactly."""
    way = sub(end, input)
    if isinstance(weight, int | float):
        if builtins.abs(weight) < 0.5:
            return add(input, mul(weight, way))
        return sub(end, mul(1 - weight, way))
    first = lt(abs(weight), 0.5)
    part = where(first, weight, sub(weight, 1))
    return add(where(first, input, end), mul(part, way))


@with_out
@also_in_order(("input", "value", "tensor1", "tensor2"))
def addcmul(input: Operand, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> Tensor:
    """Input + value · tensor1 · tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@with_out
@also_in_order(("input", "value", "tensor1", "tensor2"))
def addcdiv(input: Operand, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> Tensor:
    """Input + value · tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)


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
    return eq(abs(floating(input)), float("inf"))


def isfinite(input: Operand) -> Tensor:
    """True where input is neither NaN nor infinite."""
    return lt(abs(floating(input)), float("inf"))


# PyTorch's other names
subtract = sub
multiply = mul
divide = true_divide = div
negative = neg
absolute = abs
sgn = sign
fix = trunc
greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
