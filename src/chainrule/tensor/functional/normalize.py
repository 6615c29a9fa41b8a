"""Softmax, log-softmax and layer normalisation. Example: `softmax(scores, dim=-1)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.errors import ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import pointwise, reduce

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "log_softmax",
    "softmax",
]


def _rows(name: str, input: Operand, dim: int, dtype: Any) -> Tensor:
    x = as_tensor(input)
    x = floating(x) if dtype is None else cast(x, as_dtype(dtype))
    if not x.shape:
        return apply(TABLE["reshape"], _rows(name, _lifted(x), 0, None), shape=())
    return apply(TABLE[name], x, axis=shapes.normal_axis(dim, len(x.shape)))


def _lifted(x: Tensor) -> Tensor:
    return apply(TABLE["reshape"], x, shape=(1,))


def softmax(input: Operand, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`; a fully masked row (all -inf) gives zeros."""
    return _rows("softmax", input, dim, dtype)


def log_softmax(input: Operand, dim: int, dtype: Any = None) -> Tensor:
    """X - log Σ exp(x) along `dim`."""
    return _rows("log_softmax", input, dim, dtype)


def layer_norm(
    input: Operand,
    normalized_shape: int | Sequence[int],
    weight: Operand = None,
    bias: Operand = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean x) / √(var x + eps) · weight + bias over the last axes, `normalized_shape`.

    The variance is biased (divided by the count).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
    """
    x = floating(input)
    inner = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if x.shape[len(x.shape) - len(inner) :] != inner:
        raise ShapeError(f"layer_norm over {inner} got an input of shape {x.shape}")
    flat = x
    if len(inner) != 1:
        outer = x.shape[: len(x.shape) - len(inner)]
        flat = apply(TABLE["reshape"], x, shape=(*outer, shapes.size(inner)))
    out = apply(TABLE["standardize"], flat, axis=len(flat.shape) - 1, eps=eps)
    if flat is not x:
        out = apply(TABLE["reshape"], out, shape=x.shape)
    if weight is not None:
        out = pointwise.mul(out, weight)
    return out if bias is None else pointwise.add(out, bias)


def normalize(input: Operand, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Input / max(‖input‖ₚ, eps), the norm along `dim`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html
    """
    x = floating(input)
    length = reduce.norm(x, p, dim, keepdim=True)
    return pointwise.div(x, pointwise.clamp(length, min=eps))
