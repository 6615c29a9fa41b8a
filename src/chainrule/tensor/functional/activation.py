"""Activations of tensors. Example: `gelu(x)`.

`inplace=True` rebinds the input tensor to the result.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import (
    arithmetic,
    comparison,
    exponential,
    normalize,
    random,
    reduce,
    slices,
    trigonometry,
)
from chainrule.tensor.functional.forms import floating_of, of_kinds, unary_of, with_out
from chainrule.tensor.handle import Handle
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "celu", "hardshrink", "prelu", "relu", "rrelu", "selu", "sigmoid", "softplus", "threshold",
]  # fmt: skip


relu = unary_of(TABLE["relu"], "max(input, 0); derivative 0 at 0.")
sigmoid = floating_of(TABLE["sigmoid"], "1 / (1 + exp(-input)); derivative exact in the tails.")
silu = floating_of(TABLE["silu"], "input · sigmoid(input), also called swish.")
logsigmoid = floating_of(TABLE["logsigmoid"], "log(sigmoid(input)), finite everywhere.")
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def given(input: Operand, out: Tensor, inplace: bool) -> Tensor:
    """`out`, or the input tensor rebound to it."""
    if not inplace:
        return out
    if not isinstance(input, Handle):
        raise ArgumentError("inplace=True needs a tensor")
    x = as_tensor(input)
    x._write(out)
    return x


@one_call
@of_kinds
def gelu(input: Operand, approximate: str = "none") -> Tensor:
    """x·Φ(x), Φ the normal distribution function, or its tanh approximation."""
    x = floating(input)
    if approximate == "none":
        return apply(TABLE["gelu"], x)
    if approximate != "tanh":
        raise ArgumentError(f"gelu's approximate is 'none' or 'tanh', not {approximate!r}")
    cube = arithmetic.mul(arithmetic.mul(x, x), x)
    inner = arithmetic.mul(
        arithmetic.add(x, arithmetic.mul(cube, 0.044715)), math.sqrt(2 / math.pi)
    )
    return arithmetic.mul(arithmetic.mul(x, 0.5), arithmetic.add(trigonometry.tanh(inner), 1))


@one_call
@of_kinds
def leaky_relu(input: Operand, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, negative_slope · x elsewhere."""
    x = as_tensor(input)
    out = comparison.where(comparison.gt(x, 0), x, arithmetic.mul(x, negative_slope))
    return given(input, out, inplace)


@of_kinds
def softplus(input: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta·x)) / beta; x itself where beta·x exceeds the threshold."""
    x = floating(input)
    if beta == 1.0:
        smooth = apply(TABLE["softplus"], x)
        return comparison.where(comparison.gt(x, threshold), x, smooth)
    scaled = arithmetic.mul(x, beta)
    smooth = arithmetic.div(apply(TABLE["softplus"], scaled), beta)
    return comparison.where(comparison.gt(scaled, threshold), x, smooth)


def _exponential_below(x: Tensor, above: float, below: float, rate: float) -> Tensor:
    """above · x where positive, below · (exp(rate·x) - 1) elsewhere."""
    positive = comparison.gt(x, 0)
    small = comparison.where(
        positive, 0.0, x
    )  # no overflow, whose gradient would be NaN, on the other side
    grown = exponential.expm1(small if rate == 1 else arithmetic.mul(small, rate))
    return comparison.where(
        positive, x if above == 1 else arithmetic.mul(x, above), arithmetic.mul(grown, below)
    )


@of_kinds
def elu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha · (exp(x) - 1) elsewhere."""
    return given(input, _exponential_below(floating(input), 1, alpha, 1), inplace)


@of_kinds
def selu(input: Operand, inplace: bool = False) -> Tensor:
    """1.0507 · (x where positive, 1.6733 · (exp(x) - 1) elsewhere).

    Source: Klambauer et al., Self-normalizing neural networks (NeurIPS 2017).
    """
    scale, alpha = _SELU_SCALE, _SELU_ALPHA
    return given(input, _exponential_below(floating(input), scale, scale * alpha, 1), inplace)


@of_kinds
def celu(input: Operand, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, alpha · (exp(x/alpha) - 1) elsewhere."""
    return given(input, _exponential_below(floating(input), 1, alpha, 1 / alpha), inplace)


@of_kinds
def hardtanh(
    input: Operand, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]; derivative 0 at both ends, unlike that of `clamp`."""
    if min_val > max_val:
        raise ArgumentError(f"hardtanh's min_val {min_val} is above its max_val {max_val}")
    x = as_tensor(input)
    if x.dtype.kind == "int":
        min_val, max_val = int(min_val), int(max_val)
    out = comparison.where(comparison.ge(x, max_val), max_val, x)
    out = comparison.where(comparison.le(x, min_val), min_val, out)
    return given(input, cast(out, x.dtype), inplace)


@of_kinds
def relu6(input: Operand, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]."""
    return given(input, hardtanh(input, 0, 6), inplace)


@of_kinds
def hardsigmoid(input: Operand, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6."""
    return given(input, arithmetic.div(relu6(arithmetic.add(input, 3)), 6), inplace)


@of_kinds
def hardswish(input: Operand, inplace: bool = False) -> Tensor:
    """x · relu6(x + 3) / 6."""
    return given(input, arithmetic.mul(input, hardsigmoid(input)), inplace)


@of_kinds
def mish(input: Operand, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x))."""
    x = floating(input)
    out = arithmetic.mul(x, trigonometry.tanh(apply(TABLE["softplus"], x)))
    return given(input, out, inplace)


def softsign(input: Operand) -> Tensor:
    """x / (1 + |x|)."""
    return arithmetic.div(input, arithmetic.add(arithmetic.abs(input), 1))


def tanhshrink(input: Operand) -> Tensor:
    """x - tanh(x)."""
    return arithmetic.sub(input, trigonometry.tanh(input))


@with_out
def hardshrink(input: Operand, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, 0 elsewhere."""
    return comparison.where(comparison.le(arithmetic.abs(input), lambd), 0, input)


@of_kinds
def softshrink(input: Operand, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, 0 within that distance."""
    if not lambd >= 0:
        raise ArgumentError(f"softshrink's lambd must not be negative: {lambd}")
    return arithmetic.sub(input, comparison.clamp(input, -lambd, lambd))


@with_out
def threshold(input: Operand, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where above the threshold, value elsewhere."""
    return given(input, comparison.where(comparison.le(input, threshold), value, input), inplace)


def prelu(input: Operand, weight: Operand) -> Tensor:
    """x where positive, weight · x elsewhere; one weight, or one for each entry of axis 1."""
    x, slope = as_tensor(input), as_tensor(weight)
    if slope.array_type.size != 1:
        if len(x.shape) < 2 or slope.shape != (x.shape[1],):
            raise ShapeError(f"prelu of {x.shape} needs one weight per channel, not {slope.shape}")
        beside = (1,) * (len(x.shape) - 2)
        slope = apply(TABLE["reshape"], slope, shape=(*slope.shape, *beside))
    elif slope.shape:
        slope = apply(TABLE["reshape"], slope, shape=())
    return comparison.where(comparison.gt(x, 0), x, arithmetic.mul(x, slope))


@of_kinds
def rrelu(
    input: Operand, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False, *, generator: random.Generator | None = None,
) -> Tensor:  # fmt: skip
    """x where positive, slope · x elsewhere: drawn from [lower, upper], or their mean."""
    if not lower <= upper or math.isinf(lower) or math.isinf(upper):
        raise ArgumentError(f"rrelu's lower {lower} and upper {upper} are finite and in order")
    x = floating(input)
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    drawn = random.uniform(x.shape, x.dtype, generator)
    slope = arithmetic.add(arithmetic.mul(drawn, upper - lower), lower)
    return given(input, comparison.where(comparison.gt(x, 0), x, arithmetic.mul(x, slope)), inplace)


@of_kinds
def glu(input: Operand, dim: int = -1) -> Tensor:
    """First half · sigmoid(second half) along `dim`."""
    x = floating(input)
    size = x.shape[shapes.normal_axis(dim, len(x.shape))] if x.shape else 1
    if size % 2:
        raise ShapeError(f"glu halves axis {dim} of {x.shape}, whose size must be even")
    value, gate = slices.chunk(x, 2, dim)
    return arithmetic.mul(value, sigmoid(gate))


@of_kinds
def gumbel_softmax(
    logits: Operand, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + g) / tau), g from the Gumbel distribution; `hard`: its one-hot maximum.

    The gradient of a hard sample is that of the soft one. PyTorch ignores `eps` as well.
    Source: Jang et al., Categorical reparameterization with Gumbel-softmax (ICLR 2017).
    """
    del eps
    x = floating(logits)
    drawn = comparison.clamp(random.uniform(x.shape, x.dtype), min=1e-30)
    noise = arithmetic.neg(exponential.log(arithmetic.neg(exponential.log(drawn))))
    soft = normalize.softmax(arithmetic.div(arithmetic.add(x, noise), tau), dim)
    if not hard:
        return soft
    axis = shapes.normal_axis(dim, len(x.shape))
    winner = reduce.argmax(soft, axis, keepdim=True)
    places = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=axis)
    chosen = cast(comparison.eq(places, winner), x.dtype)
    return arithmetic.add(arithmetic.sub(chosen, soft.detach()), soft)
