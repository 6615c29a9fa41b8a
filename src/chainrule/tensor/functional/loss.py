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


def _class_axis_last(x: Tensor) -> Tensor:
    """(N, C, …) → (N, …, C)."""
    if len(x.shape) < 3:
        return x
    return layout.permute(x, (0, *range(2, len(x.shape)), 1))


def _classes(name: str, x: Tensor, target: Tensor, logits: Operand) -> Tensor:
    """The labels as int64, one for each row of x (…, C)."""
    if target.dtype.kind != "int":
        raise DTypeError(
            f"{name} needs integer class labels, not {target.dtype}; use target.long()"
        )
    if x.shape[:-1] != target.shape:
        raise ShapeError(
            f"{name}: an input of shape {as_tensor(logits).shape} needs labels of shape "
            f"{x.shape[:-1]}, not {target.shape}"
        )
    return cast(target, dtypes.int64)


def cross_entropy(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target] along axis 1 (axis 0 of a vector), averaged.

    input (N, C, …) logits, target (N, …) integer classes, or probabilities of the input's shape.
    Labels equal to `ignore_index` count nothing; with label_smoothing s the target is
    (1 - s)·one_hot + s/C.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    x, wanted = _class_axis_last(floating(input)), as_tensor(target)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing lies between 0 and 1, not {label_smoothing}")
    if wanted.dtype.kind == "float" and wanted.shape == as_tensor(input).shape:
        return _probabilities(x, _class_axis_last(wanted), weight, reduction, label_smoothing)
    labels = _classes("cross_entropy", x, wanted, input)
    if weight is None and ignore_index < 0 and label_smoothing == 0.0:
        return _plain(x, labels, ignore_index, reduction)
    logp = apply(TABLE["log_softmax"], x, axis=len(x.shape) - 1)
    return _weighted(logp, labels, weight, ignore_index, reduction, label_smoothing)


def _plain(x: Tensor, labels: Tensor, ignore_index: int, reduction: str) -> Tensor:
    """Every label counts, or is exactly `ignore_index`, which no class has."""
    kept = pointwise.ne(labels, ignore_index)
    chosen = select.pick(x, pointwise.where(kept, labels, 0))
    loss = pointwise.sub(apply(TABLE["logsumexp"], x, axis=len(x.shape) - 1), chosen)
    loss = pointwise.where(kept, loss, 0.0)
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), reduce.sum(cast(kept, x.dtype)))
    return _finish(loss, reduction)


def _probabilities(
    x: Tensor, target: Tensor, weight: Operand, reduction: str, smoothing: float
) -> Tensor:
    """-Σ target · log softmax(x), averaged over rows."""
    logp = apply(TABLE["log_softmax"], x, axis=len(x.shape) - 1)
    if smoothing:
        target = pointwise.add(
            pointwise.mul(target, 1 - smoothing), smoothing / max(x.shape[-1], 1)
        )
    terms = pointwise.mul(logp, target)
    loss = pointwise.neg(reduce.sum(terms if weight is None else pointwise.mul(terms, weight), -1))
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), loss.numel())
    return _finish(loss, reduction)


def _weighted(
    logp: Tensor,
    labels: Tensor,
    weight: Operand,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    kept = pointwise.ne(labels, ignore_index)
    safe = pointwise.where(kept, labels, 0)
    per_class = None if weight is None else as_tensor(weight)
    scale = cast(kept, logp.dtype)
    if per_class is not None:
        scale = pointwise.mul(scale, apply(TABLE["gather"], per_class, safe))
    loss = pointwise.where(kept, pointwise.neg(pointwise.mul(select.pick(logp, safe), scale)), 0.0)
    if smoothing:
        spread = logp if per_class is None else pointwise.mul(logp, per_class)
        even = pointwise.neg(pointwise.where(kept, reduce.sum(spread, -1), 0.0))
        loss = pointwise.add(
            pointwise.mul(loss, 1 - smoothing), pointwise.mul(even, smoothing / logp.shape[-1])
        )
    if reduction == "mean":
        return pointwise.div(reduce.sum(loss), reduce.sum(scale))
    return _finish(loss, reduction)


def nll_loss(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target] for log-probabilities (N, C, …) and classes (N, …), averaged."""
    x = _class_axis_last(floating(input))
    labels = _classes("nll_loss", x, as_tensor(target), input)
    return _weighted(x, labels, weight, ignore_index, reduction, 0.0)


def mse_loss(input: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """(input - target)², averaged."""
    return _finish(pointwise.square(pointwise.sub(input, target)), reduction)


def l1_loss(input: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """|input - target|, averaged."""
    return _finish(pointwise.abs(pointwise.sub(input, target)), reduction)


def binary_cross_entropy_with_logits(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    reduction: str = "mean",
    pos_weight: Operand = None,
) -> Tensor:
    """-(p·t·log σ(x) + (1 - t)·log σ(-x)), averaged, p = pos_weight; finite for any logit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html
    """
    x, wanted = floating(input), as_tensor(target)
    if x.shape != wanted.shape:
        raise ShapeError(f"logits of shape {x.shape} need targets of it, not {wanted.shape}")
    if pos_weight is None:
        loss = pointwise.sub(apply(TABLE["softplus"], x), pointwise.mul(x, wanted))
    else:
        positive = pointwise.mul(pointwise.mul(pos_weight, wanted), pointwise.logsigmoid(x))
        other = pointwise.mul(pointwise.sub(1, wanted), apply(TABLE["softplus"], x))
        loss = pointwise.sub(other, positive)
    return _finish(loss if weight is None else pointwise.mul(loss, weight), reduction)
