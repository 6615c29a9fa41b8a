"""Softmax and its logarithm; normalisation of rows and groups. Example: `softmax(x, dim=-1)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, exponential, reduce, slices
from chainrule.tensor.functional.forms import deliver, of_kinds, with_numpy_names
from chainrule.tensor.functional.norms import norm
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


def _rows(name: str, input: Operand, dim: int, dtype: Any) -> Tensor:
    x = as_tensor(input)
    x = floating(x) if dtype is None else cast(x, as_dtype(dtype))
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        row = apply(TABLE["reshape"], x, shape=(1,))
        return apply(TABLE["reshape"], _rows(name, row, 0, None), shape=())
    return apply(TABLE[name], x, axis=axis)


@one_call
@with_numpy_names
def softmax(input: Operand, dim: int, dtype: Any = None, *, out: Tensor | None = None) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`; a fully masked row (all -inf) gives zeros."""
    if out is not None:
        return deliver(softmax(input, dim, dtype), out)
    return _rows("softmax", input, dim, dtype)


@one_call
@with_numpy_names
def log_softmax(
    input: Operand, dim: int, dtype: Any = None, *, out: Tensor | None = None
) -> Tensor:
    """x - log Σ exp(x) along `dim`."""
    if out is not None:
        return deliver(log_softmax(input, dim, dtype), out)
    return _rows("log_softmax", input, dim, dtype)


def _inner_shape(name: str, x: Tensor, normalized_shape: int | Sequence[int]) -> shapes.Shape:
    """The sizes of the last axes, checked against the input's."""
    inner = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not inner or len(inner) > len(x.shape) or x.shape[len(x.shape) - len(inner) :] != inner:
        raise ShapeError(
            f"{name} over {inner} needs an input whose last axes have these sizes, not {x.shape}",
            axis={"input": -1, "weight": -1},
        )
    return inner


def _fitting(name: str, what: str, given: Operand, shape: shapes.Shape) -> Tensor:
    """A weight or bias with one number per position: nothing broadcasts."""
    found = as_tensor(given)
    if found.shape != shape:
        raise ShapeError(f"{name}: {what} has shape {found.shape}, not {shape}")
    return found


@one_call
@of_kinds
def layer_norm(
    input: Operand, normalized_shape: int | Sequence[int], weight: Operand = None,
    bias: Operand = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x - mean x) / √(var x + eps) · weight + bias over the last axes, `normalized_shape`.

    The variance is biased (divided by the count).
    """
    x = floating(input)
    inner = _inner_shape("layer_norm", x, normalized_shape)
    flat = x
    if len(inner) != 1:
        outer = x.shape[: len(x.shape) - len(inner)]
        flat = apply(TABLE["reshape"], x, shape=(*outer, shapes.size(inner)))
    out = apply(TABLE["standardize"], flat, axis=len(flat.shape) - 1, eps=eps)
    if flat is not x:
        out = apply(TABLE["reshape"], out, shape=x.shape)
    if weight is not None:
        out = arithmetic.mul(out, _fitting("layer_norm", "weight", weight, inner))
    if bias is not None:
        out = arithmetic.add(out, _fitting("layer_norm", "bias", bias, inner))
    return out


@one_call
@of_kinds
def rms_norm(
    input: Operand,
    normalized_shape: int | Sequence[int],
    weight: Operand = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean x² + eps) · weight over the last axes; eps is the dtype's unless given.

    Source: Zhang & Sennrich, Root mean square layer normalization (2019).
    """
    x = floating(input)
    inner = _inner_shape("rms_norm", x, normalized_shape)
    small = float(np.finfo(x.dtype.numpy).eps) if eps is None else eps
    axes = tuple(range(len(x.shape) - len(inner), len(x.shape)))
    square = reduce.mean(arithmetic.square(x), axes, keepdim=True)
    out = arithmetic.mul(x, exponential.rsqrt(arithmetic.add(square, small)))
    if weight is None:
        return out
    return arithmetic.mul(out, _fitting("rms_norm", "weight", weight, inner))


def per_channel(x: Tensor, weight: Operand, bias: Operand) -> Tensor:
    """x · weight + bias, each (C), along axis 1."""
    channels, along = (x.shape[1],), (x.shape[1], *(1,) * (len(x.shape) - 2))
    if weight is not None:
        scale = _fitting("normalisation by channel", "weight", weight, channels)
        x = arithmetic.mul(x, apply(TABLE["reshape"], scale, shape=along))
    if bias is not None:
        shift = _fitting("normalisation by channel", "bias", bias, channels)
        x = arithmetic.add(x, apply(TABLE["reshape"], shift, shape=along))
    return x


@one_call
@of_kinds
def group_norm(
    input: Operand, num_groups: int, weight: Operand = None, bias: Operand = None, eps: float = 1e-5
) -> Tensor:
    """(x - μ) / √(σ² + eps) · weight + bias, μ and σ² over each group of channels: x (N, C, …).

    Source: Wu & He, Group normalization (2018).
    """
    x = floating(input)
    if len(x.shape) < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm takes (N, C, …) with channels that {num_groups} groups share evenly, "
            f"not shape {x.shape}"
        )
    if x.array_type.size == num_groups:
        raise ArgumentError(
            f"group_norm of shape {x.shape} in {num_groups} groups has one value a group, whose "
            "deviation is 0: use fewer groups"
        )
    rows = (x.shape[0], num_groups, x.array_type.size // max(x.shape[0] * num_groups, 1))
    flat = apply(TABLE["reshape"], x, shape=rows)
    normal = apply(TABLE["standardize"], flat, axis=2, eps=eps)
    return per_channel(apply(TABLE["reshape"], normal, shape=x.shape), weight, bias)


@of_kinds
def local_response_norm(
    input: Operand, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha · mean x²)^beta, the mean over `size` channels around each: x (N, C, …).

    Channels beyond the ends count as zeros.
    Source: Krizhevsky et al., ImageNet classification (2012).
    """
    x = floating(input)
    if len(x.shape) < 3 or size < 1:
        raise ShapeError(f"local_response_norm takes (N, C, …), not shape {x.shape}, and size ≥ 1")
    around = [0] * (2 * len(x.shape) - 4) + [size // 2, (size - 1) // 2]
    wide = pad(arithmetic.square(x), around)
    total = slices.narrow(wide, 1, 0, x.shape[1])
    for i in range(1, size):
        total = arithmetic.add(total, slices.narrow(wide, 1, i, x.shape[1]))
    scale = arithmetic.add(arithmetic.mul(total, alpha / size), k)
    return arithmetic.div(x, exponential.pow(scale, beta))


def normalize(input: Operand, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """input / max(‖input‖ₚ, eps), the norm along `dim`."""
    x = floating(input)
    length = norm(x, p, dim, keepdim=True)
    return arithmetic.div(x, comparison.clamp(length, min=eps))
