"""Losses on real-valued targets: squares, absolute values, and likelihoods of a noise.

Example: `smooth_l1_loss(prediction, target, beta=0.5)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, exponential, layout
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.loss.reduction import (
    chosen_reduction,
    compared,
    finish,
    weighted,
    weights_for,
)
from chainrule.tensor.functional.reduce import sum as sum_
from chainrule.tensor.one_call import one_call
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


@one_call
@of_kinds
def mse_loss(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", weight: Operand = None,
) -> Tensor:  # fmt: skip
    """(input - target)², averaged; over Σ weight with weights."""
    x, wanted = compared("mse_loss", input, target)
    chosen = chosen_reduction(size_average, reduce, reduction)
    return weighted(arithmetic.square(arithmetic.sub(x, wanted)), weight, chosen)


@one_call
@of_kinds
def l1_loss(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", weight: Operand = None,
) -> Tensor:  # fmt: skip
    """|input - target|, averaged; over Σ weight with weights."""
    x, wanted = compared("l1_loss", input, target)
    chosen = chosen_reduction(size_average, reduce, reduction)
    return weighted(arithmetic.abs(arithmetic.sub(x, wanted)), weight, chosen)


@one_call
@of_kinds
def smooth_l1_loss(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """d²/2β where |d| < β, |d| - β/2 elsewhere, d = input - target; averaged.

    Source: Girshick, Fast R-CNN (2015).
    """
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss needs beta ≥ 0, not {beta}")
    x, wanted = compared("smooth_l1_loss", input, target)
    d = arithmetic.sub(x, wanted)
    loss = arithmetic.abs(d)
    if beta:
        square = arithmetic.mul(arithmetic.square(d), 0.5 / beta)
        loss = comparison.where(comparison.lt(loss, beta), square, arithmetic.sub(loss, 0.5 * beta))
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@one_call
@of_kinds
def huber_loss(
    input: Operand, target: Operand, reduction: str = "mean", delta: float = 1.0,
    weight: Operand = None,
) -> Tensor:  # fmt: skip
    """d²/2 where |d| < δ, δ·(|d| - δ/2) elsewhere, d = input - target; averaged.

    Weights of the input's shape are factors only: the mean divides by the number of elements.
    Source: Huber, Robust estimation of a location parameter (1964).
    """
    if not delta > 0:
        raise ArgumentError(f"huber_loss needs delta > 0, not {delta}")
    x, wanted = compared("huber_loss", input, target)
    d = arithmetic.sub(x, wanted)
    size = arithmetic.abs(d)
    square = arithmetic.mul(arithmetic.square(d), 0.5)
    line = arithmetic.mul(arithmetic.sub(size, 0.5 * delta), delta)
    loss = comparison.where(comparison.lt(size, delta), square, line)
    if weight is not None:
        loss = arithmetic.mul(loss, weights_for(loss, weight))
    return finish(loss, reduction)


@one_call
@of_kinds
def poisson_nll_loss(
    input: Operand, target: Operand, log_input: bool = True, full: bool = False,
    size_average: Any = None, eps: float = 1e-8, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(x) - t·x for the logarithm x of a Poisson rate, else x - t·log(x + eps); averaged.

    `full` adds Stirling's t·log t - t + log(2πt)/2 for log t! where t > 1.
    """
    x, wanted = floating(input), as_tensor(target)
    if log_input:
        loss = arithmetic.sub(exponential.exp(x), arithmetic.mul(wanted, x))
    else:
        log = exponential.log(arithmetic.add(x, eps))
        loss = arithmetic.sub(x, arithmetic.mul(wanted, log))
    if full:
        many = comparison.gt(wanted, 1)
        t = floating(comparison.where(many, wanted, 1))
        log = exponential.log(t)
        stirling = arithmetic.add(
            arithmetic.sub(arithmetic.mul(t, log), t),
            arithmetic.mul(arithmetic.add(log, math.log(2 * math.pi)), 0.5),
        )
        loss = arithmetic.add(loss, comparison.where(many, stirling, 0.0))
    return finish(loss, chosen_reduction(size_average, reduce, reduction))


@of_kinds
def gaussian_nll_loss(
    input: Operand, target: Operand, var: Operand, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """(log v + (input - target)²/v) / 2 with v = max(var, eps), averaged.

    `var` has the input's shape, or lacks its last axis, or broadcasts to it; its gradient passes
    where it was raised to eps. `full` adds log(2π)/2.
    """
    x, wanted = floating(input), as_tensor(target)
    spread = floating(var)
    if spread.shape != x.shape and spread.shape == x.shape[:-1]:
        spread = layout.unsqueeze(spread, -1)
    if len(spread.shape) > len(x.shape) or not all(
        n in {1, m} for n, m in zip(reversed(spread.shape), reversed(x.shape), strict=False)
    ):
        raise ShapeError(f"var of shape {spread.shape} does not fit an input of {x.shape}")
    spread = require("gaussian_nll_loss", spread, lambda v: ~(v < 0), "a variance is not negative")
    # the value is raised, the gradient passes: v + (max(v, eps) - v) with the bracket constant
    raised = comparison.clamp(spread, min=eps)
    lift = apply(TABLE["detach"], arithmetic.sub(raised, spread))
    spread = arithmetic.add(spread, lift)
    square = arithmetic.square(arithmetic.sub(x, wanted))
    loss = arithmetic.add(exponential.log(spread), arithmetic.div(square, spread))
    loss = arithmetic.mul(loss, 0.5)
    if full:
        loss = arithmetic.add(loss, 0.5 * math.log(2 * math.pi))
    return finish(loss, reduction)


@one_call
@of_kinds
def kl_div(
    input: Operand, target: Operand, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """t·(log t - input) for log-probabilities `input`, averaged; t = exp(target) if `log_target`.

    Where t = 0 the term is 0, for a negative t it is NaN. The divergence itself is reduction
    "batchmean": the sum divided by the first axis; "mean" divides by the number of elements.
    """
    x, wanted = floating(input), floating(target)
    if log_target:
        loss = arithmetic.mul(exponential.exp(wanted), arithmetic.sub(wanted, x))
    else:
        some = comparison.ne(wanted, 0)
        log = exponential.log(comparison.where(some, wanted, 1.0))
        loss = arithmetic.sub(arithmetic.mul(wanted, log), arithmetic.mul(wanted, x))
    chosen = chosen_reduction(size_average, reduce, reduction)
    if chosen == "batchmean":
        return arithmetic.div(sum_(loss), x.shape[0] if x.shape else 1)
    return finish(loss, chosen)
