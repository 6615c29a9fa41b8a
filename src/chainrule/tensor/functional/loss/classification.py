"""Losses on classes: the label, or the probability of each.

Example: `cross_entropy(logits, labels)` with logits (N, C) and int64 labels (N,).
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, IndexBoundsError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, layout
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.loss.reduction import chosen_reduction, finish, warn_if_made_by
from chainrule.tensor.functional.reduce import sum as sum_
from chainrule.tensor.one_call import as_one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def _class_axis_last(x: Tensor) -> Tensor:
    """(N, C, …) → (N, …, C)."""
    if len(x.shape) < 3:
        return x
    return layout.permute(x, (0, *range(2, len(x.shape)), 1))


def _classes(name: str, x: Tensor, target: Tensor, logits: Operand) -> Tensor:
    """The labels as int64, one for each row of x (…, C)."""
    given = as_tensor(logits).shape
    soft = name == "cross_entropy"  # which takes probabilities, too
    if target.dtype.kind != "int":
        way = "use target.long()"
        if soft and target.dtype.kind == "float":
            way += f", or give probabilities of the input's shape {given}"
        raise DTypeError(f"{name} needs integer class labels, not {target.dtype}\n  {way}")
    if not given or x.shape[:-1] != target.shape:
        way = ""
        if len(given) > 2 and given[:-1] == target.shape:
            way = "\n  the classes are axis 1: use input.flatten(0, -2) and target.flatten()"
        elif target.shape == given:
            way = "\n  if they are one-hot, use target.argmax(1)"
            way += "; as probabilities, target.float()" if soft else ""
        elif target.shape == (*x.shape[:-1], 1):
            way = "\n  use target.squeeze(-1)"
        raise ShapeError(
            f"{name}: an input of shape {given} needs labels of shape {x.shape[:-1]}, not "
            f"{target.shape}{way}"
        )
    return cast(target, dtypes.int64)


def _class_weights(weight: Operand, classes: int) -> Tensor | None:
    if weight is None:
        return None
    given = as_tensor(weight)
    if given.shape != (classes,):
        raise ShapeError(f"{classes} classes need weights of that shape, not {given.shape}")
    return given


@of_kinds
def cross_entropy(
    input: Operand, target: Operand, weight: Operand = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log softmax(input)[target] along axis 1 (axis 0 of a vector), averaged.

    input (N, C, …) logits, target (N, …) integer classes, or probabilities of the input's shape.
    Labels equal to `ignore_index` count nothing; with label_smoothing s the target is
    (1 - s)·one_hot + s/C.
    """
    x, wanted = _class_axis_last(floating(input)), as_tensor(target)
    warn_if_made_by("softmax", x, "cross_entropy takes scores and applies softmax itself")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing lies between 0 and 1, not {label_smoothing}")
    reduction = chosen_reduction(size_average, reduce, reduction)
    if wanted.dtype.kind == "float" and wanted.shape == as_tensor(input).shape:
        if ignore_index >= 0:
            raise ArgumentError(
                f"ignore_index={ignore_index} is a class label, and these targets are "
                "probabilities: give the rows that do not count zeros as their target"
            )
        return _probabilities(x, _class_axis_last(wanted), weight, reduction, label_smoothing)
    labels = _classes("cross_entropy", x, wanted, input)
    options = {"ignore_index": ignore_index, "reduction": reduction}
    if weight is None and label_smoothing == 0.0:
        return as_one_call(_plain, x, labels, **options)
    per_class = _class_weights(weight, x.shape[-1])
    return as_one_call(_smoothed, x, labels, per_class, smoothing=float(label_smoothing), **options)


def _of_each_class(name: str, op: str, x: Tensor, labels: Tensor) -> Tensor:
    """What `op` gives for each row and its label; a label that is no class is refused by name."""
    try:
        return apply(TABLE[op], x, labels)
    except IndexBoundsError as error:
        if error.found is None:
            raise
        label, place = error.found
        raise IndexBoundsError(
            f"{name}: label {label} {place} is outside 0 to {x.shape[-1] - 1}: the input has "
            f"scores of {x.shape[-1]} classes",
            axis={"input": min(1, len(x.shape) - 1), "target": None},
        ) from None


def _plain(x: Tensor, labels: Tensor, *, ignore_index: int, reduction: str) -> Tensor:
    """Without weights: the loss of each row, where its label counts."""
    kept, name = comparison.ne(labels, ignore_index), "cross_entropy"
    loss = _of_each_class(name, name, x, comparison.where(kept, labels, 0))
    loss = comparison.where(kept, loss, 0.0)
    if reduction == "mean":
        return arithmetic.div(sum_(loss), sum_(cast(kept, x.dtype)))
    return finish(loss, reduction)


def _probabilities(
    x: Tensor, target: Tensor, weight: Operand, reduction: str, smoothing: float
) -> Tensor:
    """-Σ target · log softmax(x), averaged over rows."""
    logp = apply(TABLE["log_softmax"], x, axis=len(x.shape) - 1)
    if smoothing:
        target = arithmetic.add(
            arithmetic.mul(target, 1 - smoothing), smoothing / max(x.shape[-1], 1)
        )
    terms, per_class = arithmetic.mul(logp, target), _class_weights(weight, x.shape[-1])
    loss = arithmetic.neg(
        sum_(terms if per_class is None else arithmetic.mul(terms, per_class), -1)
    )
    if reduction == "mean":
        return arithmetic.div(sum_(loss), loss.numel())
    return finish(loss, reduction)


def _smoothed(x: Tensor, labels: Tensor, per_class: Tensor | None, **options: Any) -> Tensor:
    """With weights or label smoothing."""
    logp = apply(TABLE["log_softmax"], x, axis=len(x.shape) - 1)
    return _weighted(logp, labels, per_class, name="cross_entropy", **options)


def _weighted(
    logp: Tensor,
    labels: Tensor,
    per_class: Tensor | None,
    *,
    name: str,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Tensor:
    kept = comparison.ne(labels, ignore_index)
    safe = comparison.where(kept, labels, 0)
    scale = cast(kept, logp.dtype)
    if per_class is not None:
        scale = arithmetic.mul(scale, apply(TABLE["gather"], per_class, safe))
    chosen = _of_each_class(name, "pick", logp, safe)
    loss = comparison.where(kept, arithmetic.neg(arithmetic.mul(chosen, scale)), 0.0)
    if smoothing:
        spread = logp if per_class is None else arithmetic.mul(logp, per_class)
        even = arithmetic.neg(comparison.where(kept, sum_(spread, -1), 0.0))
        loss = arithmetic.add(
            arithmetic.mul(loss, 1 - smoothing), arithmetic.mul(even, smoothing / logp.shape[-1])
        )
    if reduction == "mean":
        return arithmetic.div(sum_(loss), sum_(scale))
    return finish(loss, reduction)


@of_kinds
def nll_loss(
    input: Operand, target: Operand, weight: Operand = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-input[target] for log-probabilities (N, C, …) and classes (N, …), averaged."""
    x = _class_axis_last(floating(input))
    warn_if_made_by("softmax", x, "nll_loss takes logarithms: use log_softmax, or cross_entropy")
    reduction = chosen_reduction(size_average, reduce, reduction)
    labels = _classes("nll_loss", x, as_tensor(target), input)
    per_class = _class_weights(weight, x.shape[-1])
    options = {"name": "nll_loss", "ignore_index": ignore_index, "reduction": reduction}
    return as_one_call(_weighted, x, labels, per_class, **options)
