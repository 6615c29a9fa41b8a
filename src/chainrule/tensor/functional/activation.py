"""Activations with options. Those without stand in `pointwise`. Example: `gelu(x)`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import pointwise

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "softplus",
]


def gelu(input: Operand, approximate: str = "none") -> Tensor:
    """x·Φ(x), Φ the normal distribution function, or its tanh approximation.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    x = floating(input)
    if approximate == "none":
        return apply(TABLE["gelu"], x)
    if approximate != "tanh":
        raise ArgumentError(f"gelu's approximate is 'none' or 'tanh', not {approximate!r}")
    cube = pointwise.mul(pointwise.mul(x, x), x)
    inner = pointwise.mul(pointwise.add(x, pointwise.mul(cube, 0.044715)), math.sqrt(2 / math.pi))
    return pointwise.mul(pointwise.mul(x, 0.5), pointwise.add(pointwise.tanh(inner), 1))


def leaky_relu(input: Operand, negative_slope: float = 0.01) -> Tensor:
    """X where positive, negative_slope · x elsewhere."""
    x = as_tensor(input)
    return pointwise.where(pointwise.gt(x, 0), x, pointwise.mul(x, negative_slope))


def softplus(input: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta·x)) / beta; x itself where beta·x exceeds the threshold."""
    x = floating(input)
    if beta == 1.0:
        smooth = apply(TABLE["softplus"], x)
        return pointwise.where(pointwise.gt(x, threshold), x, smooth)
    scaled = pointwise.mul(x, beta)
    smooth = pointwise.div(apply(TABLE["softplus"], scaled), beta)
    return pointwise.where(pointwise.gt(scaled, threshold), x, smooth)
