"""Losses. Example: `cross_entropy(logits, labels)` with logits (N, C) and int64 labels (N,)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import layout, pointwise, reduce, select

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def _finish(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return reduce.mean(loss)
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "none":
        return loss
    raise ArgumentError(f"reduction is 'none', 'mean' or 'sum', not {reduction!r}")


def cross_entropy(
    input: Operand,  # noqa: A002 - PyTorch's name
    target: Operand,
    weight: Operand = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target] along axis 1 (axis 0 of a vector), averaged.

    input (N, C, …) logits, target (N, …) int64 classes. Labels equal to `ignore_index` count
    nothing; with label_smoothing s the target is (1 - s)·one_hot + s/C.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    x, labels = floating(input), as_tensor(target)
    if labels.dtype.kind != "int":
        raise DTypeError(
            f"cross_entropy needs integer class labels, not {labels.dtype}; use target.long()"
        )
    if len(x.shape) > 2:  # noqa: PLR2004 - (N, C) is the plain case
        x = layout.permute(x, (0, *range(2, len(x.shape)), 1))
    if x.shape[:-1] != labels.shape:
        raise ShapeError(
            f"cross_entropy: logits of shape {as_tensor(input).shape} need labels of shape "
            f"{x.shape[:-1]}, not {labels.shape}"
        )
    if weight is None and ignore_index < 0 and label_smoothing == 0.0:
        return _plain(x, cast(labels, dtypes.int64), ignore_index, reduction)
    return _weighted(x, cast(labels, dtypes.int64), weight, ignore_index, reduction, label_smoothing)


def _plain(x: Tensor, labels: Tensor, ignore_index: int, reduction: str) -> Tensor:
    """Every label counts, or is exactly `ignore_index`, which no class has."""
    kept = pointwise.ne(labels, ignore_index)
    safe = pointwise.where(kept, labels, 0)
    chosen = select.pick(x, safe)
    loss = pointwise.sub(apply(TABLE["logsumexp"], x, axis=len(x.shape) - 1), chosen)
    loss = pointwise.where(kept, loss, 0.0)
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), reduce.sum(cast(kept, x.dtype)))
    return _finish(loss, reduction)


def _weighted(  # noqa: PLR0913 - PyTorch's options
    x: Tensor,
    labels: Tensor,
    weight: Operand,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    kept = pointwise.ne(labels, ignore_index)
    safe = pointwise.where(kept, labels, 0)
    logp = apply(TABLE["log_softmax"], x, axis=len(x.shape) - 1)
    per_class = None if weight is None else as_tensor(weight)
    scale = cast(kept, x.dtype)
    if per_class is not None:
        scale = pointwise.mul(scale, apply(TABLE["gather"], per_class, safe))
    loss = pointwise.neg(pointwise.mul(select.pick(logp, safe), scale))
    if smoothing:
        spread = logp if per_class is None else pointwise.mul(logp, per_class)
        even = pointwise.neg(pointwise.where(kept, reduce.sum(spread, -1), 0.0))
        loss = pointwise.add(
            pointwise.mul(loss, 1 - smoothing), pointwise.mul(even, smoothing / x.shape[-1])
        )
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), reduce.sum(scale))
    return _finish(loss, reduction)


def nll_loss(
    input: Operand,  # noqa: A002 - PyTorch's name
    target: Operand,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target] for log-probabilities (N, C) and labels (N,), averaged."""
    x, labels = floating(input), select.as_index(target)
    kept = pointwise.ne(labels, ignore_index)
    chosen = select.pick(x, pointwise.where(kept, labels, 0))
    loss = pointwise.where(kept, pointwise.neg(chosen), 0.0)
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), reduce.sum(cast(kept, x.dtype)))
    return _finish(loss, reduction)


def mse_loss(input: Operand, target: Operand, reduction: str = "mean") -> Tensor:  # noqa: A002 - PyTorch's name
    """(input - target)², averaged."""
    return _finish(pointwise.square(pointwise.sub(input, target)), reduction)


def l1_loss(input: Operand, target: Operand, reduction: str = "mean") -> Tensor:  # noqa: A002 - PyTorch's name
    """|input - target|, averaged."""
    return _finish(pointwise.abs(pointwise.sub(input, target)), reduction)


def binary_cross_entropy_with_logits(
    input: Operand,  # noqa: A002 - PyTorch's name
    target: Operand,
    reduction: str = "mean",
) -> Tensor:
    """-(t·log σ(x) + (1 - t)·log σ(-x)), averaged; finite for any logit."""
    x, wanted = floating(input), as_tensor(target)
    loss = pointwise.sub(apply(TABLE["softplus"], x), pointwise.mul(x, wanted))
    return _finish(loss, reduction)
