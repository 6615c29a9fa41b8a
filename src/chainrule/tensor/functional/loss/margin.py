"""Losses that ask for a margin: between classes, rankings, pairs and triplets.

Example: `triplet_margin_loss(anchor, positive, negative, margin=0.5)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import (
    activation,
    arithmetic,
    comparison,
    exponential,
    gather,
    layout,
)
from chainrule.tensor.functional.distance import pairwise_distance
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.loss.reduction import chosen_reduction, finish, hinge
from chainrule.tensor.functional.reduce import amin
from chainrule.tensor.functional.reduce import any as any_
from chainrule.tensor.functional.reduce import sum as sum_

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_EPS = 1e-12  # added to squared lengths before a cosine


@of_kinds
def hinge_embedding_loss(
    input: Operand, target: Operand, margin: float = 1.0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """x where the target is 1, max(0, margin - x) where it is -1; averaged."""
    x = floating(input)
    far = hinge(arithmetic.sub(margin, x))
    near = comparison.where(comparison.ne(target, -1), x, 0.0)
    loss = arithmetic.add(near, comparison.where(comparison.ne(target, 1), far, 0.0))
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@of_kinds
def margin_ranking_loss(
    input1: Operand, input2: Operand, target: Operand, margin: float = 0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, -t·(input1 - input2) + margin) with t = ±1; averaged."""
    wanted, difference = as_tensor(target), arithmetic.sub(floating(input1), input2)
    if len(wanted.shape) != len(difference.shape):
        raise ShapeError(
            f"margin_ranking_loss: inputs of shape {difference.shape} need a target with as many "
            f"axes, not shape {wanted.shape}"
        )
    loss = hinge(arithmetic.sub(margin, arithmetic.mul(wanted, difference)))
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


def _classes(name: str, input: Operand, target: Operand) -> tuple[Tensor, Tensor]:
    x, labels = floating(input), as_tensor(target)
    if labels.dtype.kind != "int":
        raise DTypeError(f"{name} needs integer class labels, not {labels.dtype}")
    if not x.shape:  # one score: a row of one class
        x, labels = layout.reshape(x, (1,)), layout.reshape(labels, labels.shape or (1,))
    if not 1 <= len(x.shape) <= 2:
        raise ShapeError(f"{name} takes scores (N, C) or (C), not shape {x.shape}")
    return x, cast(labels, dtypes.int64)


@of_kinds
def multi_margin_loss(
    input: Operand, target: Operand, p: int = 1, margin: float = 1.0, weight: Operand = None,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """w[y]·Σ max(0, margin - x[y] + x[i])ᵖ / C over i ≠ y: scores (N, C), labels (N); averaged."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if p not in {1, 2}:
        raise ArgumentError(f"multi_margin_loss: p is 1 or 2, not {p}")
    if weight is not None and as_tensor(weight).shape != as_tensor(input).shape[-1:]:
        raise ShapeError(
            f"multi_margin_loss takes one weight a class, not shape {as_tensor(weight).shape}"
        )
    x, labels = _classes("multi_margin_loss", input, target)
    labels = layout.reshape(labels, x.shape[:-1])
    right = layout.unsqueeze(gather.pick(x, labels), -1)
    over = activation.relu(arithmetic.add(arithmetic.sub(x, right), margin))
    over = over if p == 1 else arithmetic.square(over)
    if weight is not None:
        scale = apply(TABLE["gather"], as_tensor(weight), labels)
        over = arithmetic.mul(over, layout.unsqueeze(scale, -1))
    position = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=len(x.shape) - 1)
    own = comparison.eq(position, layout.unsqueeze(labels, -1))
    loss = arithmetic.div(sum_(comparison.where(own, 0.0, over), -1), x.shape[-1])
    return finish(loss, reduction)


@of_kinds
def multilabel_margin_loss(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Σ max(0, 1 - x[j] + x[i]) / C over labels j and other classes i; averaged.

    `target` has the input's shape (N, C) or (C) and lists labels up to the first -1.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    x, labels = _classes("multilabel_margin_loss", input, target)
    if labels.shape != x.shape:
        raise ShapeError(f"scores of shape {x.shape} need labels of it, not {labels.shape}")
    classes, square = x.shape[-1], (*x.shape, x.shape[-1])
    place = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=len(x.shape) - 1)
    ends = comparison.where(comparison.lt(labels, 0), place, classes)
    listed = comparison.lt(place, amin(ends, -1, keepdim=True))
    safe = comparison.where(listed, labels, 0)
    # axes (…, j, i): j counts the labels, i the classes
    table = expand(layout.unsqueeze(x, -2), square)
    right = layout.unsqueeze(gather.pick(table, safe), -1)
    number = apply(TABLE["iota"], dtype=dtypes.int64, shape=square, axis=len(square) - 1)
    chosen = comparison.logical_and(
        comparison.eq(number, layout.unsqueeze(safe, -1)), layout.unsqueeze(listed, -1)
    )
    other = comparison.logical_not(any_(chosen, -2, keepdim=True))
    counted = comparison.logical_and(other, layout.unsqueeze(listed, -1))
    over = activation.relu(arithmetic.add(arithmetic.sub(table, right), 1.0))
    total = sum_(comparison.where(counted, over, 0.0), (-2, -1))
    loss = arithmetic.div(total, classes)
    return finish(loss, reduction)


@of_kinds
def cosine_embedding_loss(
    input1: Operand, input2: Operand, target: Operand, margin: float = 0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; averaged.

    Inputs (N, D) or (D), target (N) or ().
    """
    x, y, wanted = floating(input1), floating(input2), as_tensor(target)
    if len(wanted.shape) > 1 or {len(x.shape), len(y.shape)} != {len(wanted.shape) + 1}:
        raise ShapeError(
            f"cosine_embedding_loss: inputs (N, D) need a target (N), inputs (D) a scalar; given "
            f"{x.shape}, {y.shape} and {wanted.shape}"
        )
    lengths = [arithmetic.add(sum_(arithmetic.square(v), -1), _EPS) for v in (x, y)]
    product = sum_(arithmetic.mul(x, y), -1)
    cosine = arithmetic.div(product, exponential.sqrt(arithmetic.mul(*lengths)))
    near = comparison.where(comparison.eq(wanted, 1), arithmetic.sub(1, cosine), 0.0)
    far = hinge(arithmetic.sub(cosine, margin))
    loss = arithmetic.add(near, comparison.where(comparison.eq(wanted, -1), far, 0.0))
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@of_kinds
def triplet_margin_with_distance_loss(
    anchor: Operand, positive: Operand, negative: Operand, *,
    distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), averaged.

    `swap` takes d(positive, negative) where that is smaller than d(anchor, negative).
    """
    if margin <= 0:
        raise ArgumentError(f"a triplet loss needs margin > 0, not {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    close, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = arithmetic.minimum(far, distance(positive, negative))
    return finish(hinge(arithmetic.add(arithmetic.sub(close, far), margin)), reduction)


@of_kinds
def triplet_margin_loss(
    anchor: Operand, positive: Operand, negative: Operand, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, ‖a - p + eps‖ₚ - ‖a - n + eps‖ₚ + margin), averaged, for vectors (N, D) or (D).

    Source: Balntas et al., Learning local feature descriptors with triplets (2016).
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda x, y: pairwise_distance(x, y, p, eps),
        margin=margin,
        swap=swap,
        reduction=chosen_reduction(size_average, reduce, reduction),
    )
