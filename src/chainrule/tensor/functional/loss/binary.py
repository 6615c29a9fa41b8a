"""Losses on yes-or-no targets, one or many at a time.

Example: `binary_cross_entropy_with_logits(logits, labels)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import activation, arithmetic, comparison, exponential
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.loss.reduction import chosen_reduction, finish, warn_if_made_by
from chainrule.tensor.functional.reduce import mean
from chainrule.tensor.one_call import one_call
from chainrule.tensor.require import is_probability, require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_LEAST_LOG = -100.0
_LOGITS = "apply a sigmoid, or use binary_cross_entropy_with_logits"


def _equal_shapes(name: str, input: Operand, target: Operand) -> tuple[Tensor, Tensor]:
    x, wanted = floating(input), as_tensor(target)
    if x.shape != wanted.shape:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} needs a target of that shape, not "
            f"{wanted.shape}; reshape one of them (target.view_as(input), input.squeeze(-1))"
        )
    return x, wanted


def _log(x: Tensor) -> Tensor:
    """log x, at least -100; constant where x is 0."""
    zero = comparison.eq(x, 0)
    log = comparison.clamp(exponential.log(comparison.where(zero, 1.0, x)), min=_LEAST_LOG)
    return comparison.where(zero, _LEAST_LOG, log)


@of_kinds
def binary_cross_entropy(
    input: Operand, target: Operand, weight: Operand = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(t·log p + (1 - t)·log(1 - p)) for probabilities p, averaged; logarithms are ≥ -100.

    From logits, `binary_cross_entropy_with_logits` is more exact.
    """
    p, wanted = _equal_shapes("binary_cross_entropy", input, target)
    name, rule = "binary_cross_entropy", "probabilities are between 0 and 1"
    p = require(name, p, is_probability, f"{rule}\n  {_LOGITS}")
    wanted = require(name, wanted, is_probability, f"targets are {rule}")
    yes = arithmetic.mul(wanted, _log(p))
    no = arithmetic.mul(arithmetic.sub(1, wanted), _log(arithmetic.sub(1, p)))
    loss = arithmetic.neg(arithmetic.add(yes, no))
    if weight is not None:
        loss = arithmetic.mul(loss, weight)
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@of_kinds
def binary_cross_entropy_with_logits(
    input: Operand, target: Operand, weight: Operand = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean", pos_weight: Operand = None,
) -> Tensor:  # fmt: skip
    """-(p·t·log σ(x) + (1 - t)·log σ(-x)), averaged, p = pos_weight; finite for any logit."""
    x, wanted = _equal_shapes("binary_cross_entropy_with_logits", input, target)
    warn_if_made_by("sigmoid", x, "…_with_logits takes scores and applies sigmoid itself")
    return _of_logits(
        x, wanted, weight, pos_weight, chosen_reduction(size_average, reduce, reduction)
    )


@one_call
def _of_logits(
    x: Tensor, wanted: Tensor, weight: Operand, pos_weight: Operand, reduction: str
) -> Tensor:
    if pos_weight is None:
        loss = arithmetic.sub(apply(TABLE["softplus"], x), arithmetic.mul(x, wanted))
    else:
        positive = arithmetic.mul(arithmetic.mul(pos_weight, wanted), activation.logsigmoid(x))
        other = arithmetic.mul(arithmetic.sub(1, wanted), apply(TABLE["softplus"], x))
        loss = arithmetic.sub(other, positive)
    if weight is not None:
        loss = arithmetic.mul(loss, weight)
    return finish(loss, reduction)


@of_kinds
def soft_margin_loss(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + exp(-t·x)) for targets t = ±1, averaged."""
    against = arithmetic.neg(arithmetic.mul(target, floating(input)))
    loss = apply(TABLE["softplus"], against)
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@of_kinds
def multilabel_soft_margin_loss(
    input: Operand, target: Operand, weight: Operand = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(t·log σ(x) + (1 - t)·log σ(-x)) with t in {0, 1}, the mean over the last axis; averaged."""
    each = binary_cross_entropy_with_logits(input, target, weight, reduction="none")
    return finish(mean(each, -1), chosen_reduction(size_average, reduce, reduction))
