"""Elementwise functions of one or two tensors, with broadcasting and promotion.

Example: `mul(x, 2.0)`; ranges and errors are those of the op of the same name in `ops/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.ops import TABLE
from chainrule.ops.record import Op
from chainrule.tensor.convert import (
    Operand,
    as_tensor,
    cast,
    expand,
    floating,
    operands,
    result_dtype,
)
from chainrule.tensor.dispatch import apply

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "ceil",
    "clamp",
    "clip",
    "cos",
    "div",
    "divide",
    "eq",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
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
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tanh",
    "trunc",
    "where",
]


def _unary(op: Op, text: str) -> Callable[[Operand], Tensor]:
    def function(input: Operand) -> Tensor:
        return apply(op, as_tensor(input))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = text
    return function


def _floating(op: Op, text: str) -> Callable[[Operand], Tensor]:
    def function(input: Operand) -> Tensor:
        return apply(op, floating(input))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = text
    return function


def _apply_pair(op: Op, pair: tuple[Tensor, ...], of_bools: Op | None) -> Tensor:
    """`op` of two operands; two bools make it a logical one, if it has a meaning for them."""
    try:
        return apply(op, *pair)
    except DTypeError:
        if of_bools is None or pair[0].dtype is not dtypes.bool_:
            raise
        return apply(of_bools, *pair)


def _binary(op: Op, text: str, of_bools: Op | None = None) -> Callable[[Operand, Operand], Tensor]:
    def function(input: Operand, other: Operand) -> Tensor:
        return _apply_pair(op, operands(input, other), of_bools)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = text
    return function


neg = _unary(TABLE["neg"], "-input, element by element.")
abs = _unary(TABLE["abs"], "|input|; derivative sign(input), 0 at 0.")
sign = _unary(TABLE["sign"], "-1, 0 or 1; derivative 0.")
floor = _unary(TABLE["floor"], "Largest integer not above input; derivative 0.")
ceil = _unary(TABLE["ceil"], "Smallest integer not below input; derivative 0.")
round = _unary(TABLE["round"], "Nearest integer, ties to even; derivative 0.")
trunc = _unary(TABLE["trunc"], "Integer part; derivative 0.")
relu = _unary(TABLE["relu"], "max(input, 0); derivative 0 at 0.")
exp = _floating(TABLE["exp"], "e to the power of input.")
expm1 = _floating(TABLE["expm1"], "exp(input) - 1, exact near 0.")
log = _floating(TABLE["log"], "Natural logarithm: -inf at 0, NaN below.")
log1p = _floating(TABLE["log1p"], "log(1 + input), exact near 0.")
sqrt = _floating(TABLE["sqrt"], "Square root: NaN below 0, derivative inf at 0.")
rsqrt = _floating(TABLE["rsqrt"], "1 / sqrt(input).")
sin = _floating(TABLE["sin"], "Sine of input in radians.")
cos = _floating(TABLE["cos"], "Cosine of input in radians.")
tanh = _floating(TABLE["tanh"], "Hyperbolic tangent; its derivative is exact in the tails.")
sigmoid = _floating(TABLE["sigmoid"], "1 / (1 + exp(-input)); derivative exact in the tails.")
erf = _floating(TABLE["erf"], "The error function 2/√π ∫₀ˣ exp(-t²) dt.")
silu = _floating(TABLE["silu"], "input · sigmoid(input), also called swish.")
logsigmoid = _floating(TABLE["logsigmoid"], "log(sigmoid(input)), finite everywhere.")

mul = _binary(TABLE["mul"], "input · other; of bools: both.", TABLE["logical_and"])
maximum = _binary(
    TABLE["maximum"], "The larger of two; a tie shares the gradient equally.", TABLE["logical_or"]
)
minimum = _binary(
    TABLE["minimum"], "The smaller of two; a tie shares the gradient equally.", TABLE["logical_and"]
)
remainder = _binary(TABLE["remainder"], "input modulo other, with the sign of other.")
eq = _binary(TABLE["eq"], "input == other as bool.")
ne = _binary(TABLE["ne"], "input != other as bool.")
lt = _binary(TABLE["lt"], "input < other as bool.")
le = _binary(TABLE["le"], "input <= other as bool.")
gt = _binary(TABLE["gt"], "input > other as bool.")
ge = _binary(TABLE["ge"], "input >= other as bool.")


def add(input: Operand, other: Operand, *, alpha: Operand = 1) -> Tensor:
    """Input + alpha · other; of bools: either."""
    if not (isinstance(alpha, (int, float)) and alpha == 1):
        other = mul(other, alpha)
    return _apply_pair(TABLE["add"], operands(input, other), TABLE["logical_or"])


def sub(input: Operand, other: Operand, *, alpha: Operand = 1) -> Tensor:
    """Input - alpha · other."""
    if not (isinstance(alpha, (int, float)) and alpha == 1):
        other = mul(other, alpha)
    return apply(TABLE["sub"], *operands(input, other))


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Input / other: true division, or rounded towards zero ("trunc") or down ("floor")."""
    if rounding_mode == "floor":
        return apply(TABLE["floor_divide"], *operands(input, other))
    kept = dtype = result_dtype([input, other])
    if dtype.kind != "float":
        dtype = result_dtype([1.0])
    out = apply(TABLE["div"], *operands(input, other, dtype=dtype))
    if rounding_mode is None:
        return out
    if rounding_mode != "trunc":
        raise ArgumentError(f"rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}")
    return cast(trunc(out), kept)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The largest integer not above input / other."""
    return apply(TABLE["floor_divide"], *operands(input, other))


def pow(input: Operand, exponent: Operand) -> Tensor:
    """Input to the power of exponent; small constant exponents become products and roots."""
    if isinstance(exponent, (int, float)) and not isinstance(input, (int, float)):
        x = as_tensor(input)
        if exponent == 1:
            return x
        if exponent == 2:
            return mul(x, x)
        if exponent == 0.5 and x.dtype.kind == "float":
            return sqrt(x)
        if exponent == -1 and x.dtype.kind == "float":
            return div(1.0, x)
        if exponent == 3:
            return mul(mul(x, x), x)
    base, power = operands(input, exponent)
    if base.dtype.kind != "float":
        whole = apply(TABLE["pow"], cast(base, dtypes.float64), cast(power, dtypes.float64))
        return cast(whole, base.dtype)
    return apply(TABLE["pow"], base, power)


def square(input: Operand) -> Tensor:
    """Input · input."""
    return mul(input, input)


def reciprocal(input: Operand) -> Tensor:
    """1 / input."""
    return div(1.0, input)


def where(condition: Operand, input: Operand = None, other: Operand = None) -> Tensor:
    """Input where condition holds, other elsewhere; all three broadcast."""
    choice = as_tensor(condition)
    if choice.dtype is not dtypes.bool_:
        choice = ne(choice, 0)
    x, y = operands(input, other)
    choice, *_ = operands(choice, x, dtype=dtypes.bool_) if choice.shape != x.shape else (choice,)
    return apply(TABLE["where"], choice, expand(x, choice.shape), expand(y, choice.shape))


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


clip = clamp


def lerp(input: Operand, end: Operand, weight: Operand) -> Tensor:
    """Input + weight · (end - input)."""
    return add(input, mul(weight, sub(end, input)))


def logical_not(input: Operand) -> Tensor:
    """True where input is zero or False."""
    return apply(TABLE["logical_not"], _as_bool(input))


def _as_bool(x: Operand) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype is dtypes.bool_ else ne(x, 0)


def _logical(name: str, text: str) -> Callable[[Operand, Operand], Tensor]:
    op = TABLE[name]

    def function(input: Operand, other: Operand) -> Tensor:
        return apply(op, *operands(_as_bool(input), _as_bool(other)))

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
    return eq(abs(input), float("inf"))


def isfinite(input: Operand) -> Tensor:
    """True where input is neither NaN nor infinite."""
    return lt(abs(floating(input)), float("inf"))


# PyTorch's other names
subtract = sub
multiply = mul
divide = div
negative = neg
absolute = abs
greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
