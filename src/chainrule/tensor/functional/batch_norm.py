"""Normalisation by statistics of the batch, and by their running averages.

Example: `batch_norm(x, running_mean, running_var, weight, bias, training=True)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.base import shapes
from chainrule.base.arguments import check_number
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.functional import arithmetic, exponential, layout, reduce
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.moments import centred
from chainrule.tensor.functional.normalize import per_channel
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import no_grad
from chainrule.tensor.one_call import as_one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


@of_kinds
def batch_norm(
    input: Operand, running_mean: Tensor | None, running_var: Tensor | None, weight: Operand = None,
    bias: Operand = None, training: bool = False, momentum: Operand = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x - μ) / √(σ² + eps) · weight + bias for each channel: x (N, C, …), the rest (C).

    In training μ and σ² (divided by the count) are the batch's over all axes but 1, and the
    running averages move: r ← (1 - m)·r + m·new, with the variance divided by the count - 1.
    Else the running averages are μ and σ².
    Source: Ioffe & Szegedy, Batch normalization (2015).
    """
    x = floating(input)
    if len(x.shape) < 2:
        raise ShapeError(f"batch_norm takes (N, C, …), not shape {x.shape}")
    check_number("batch_norm: eps", eps, low=0.0)
    if training:
        check_number("batch_norm: eps in training", eps, above=0.0)
        if x.array_type.size == x.shape[1]:
            raise ArgumentError(
                f"batch_norm in training needs more than 1 value per channel, not shape {x.shape}\n"
                "  use a larger batch, or model.eval()"
            )
        out, mean, var = as_one_call(_by_batch, x, *_affine(weight, bias), eps=float(eps))
        if count := x.array_type.size // max(x.shape[1], 1):  # an empty batch moves nothing
            _move((running_mean, running_var), (mean, var), momentum, count)
    else:
        if running_mean is None or running_var is None:
            raise ArgumentError("batch_norm in evaluation needs running_mean and running_var")
        affine = _affine(weight, bias)
        out = as_one_call(_by_running, x, running_mean, running_var, *affine, eps=float(eps))
    return out


def _affine(weight: Operand, bias: Operand) -> tuple[Tensor | None, Tensor | None]:
    return (
        None if weight is None else as_tensor(weight),
        None if bias is None else as_tensor(bias),
    )


@of_kinds
def instance_norm(
    input: Operand, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Operand = None, bias: Operand = None, use_input_stats: bool = True,
    momentum: Operand = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x - μ) / √(σ² + eps) · weight + bias for each channel of each instance: x (N, C, …).

    Running averages, if given, move by the mean over instances of μ and σ²; without
    `use_input_stats` they are used instead.
    Source: Ulyanov et al., Instance normalization (2016).
    """
    x = floating(input)
    if len(x.shape) < 3:
        raise ShapeError(f"instance_norm takes (N, C, L, …), not shape {x.shape}")
    if use_input_stats:
        count = shapes.size(x.shape[2:])
        if count == 1:
            raise ArgumentError(
                f"instance_norm needs more than 1 value per channel, not shape {x.shape}"
            )
        normal, mean, var = _standardized(x, tuple(range(2, len(x.shape))), eps)
        out = per_channel(normal, weight, bias)
        flat = x.shape[:2]
        if x.array_type.size:
            means = [reduce.mean(layout.reshape(each, flat), 0) for each in (mean, var)]
            _move((running_mean, running_var), means, momentum, count)
    else:
        if running_mean is None or running_var is None:
            raise ArgumentError("instance_norm without use_input_stats needs running averages")
        out = _by_running(x, running_mean, running_var, *_affine(weight, bias), eps=eps)
    return out


def _by_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, *, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised batch, and its μ and σ² for each channel."""
    normal, mean, var = _standardized(x, tuple(i for i in range(len(x.shape)) if i != 1), eps)
    return per_channel(normal, weight, bias), mean, var


def _standardized(x: Tensor, axes: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x - μ)/√(σ² + eps), μ and σ², over `axes`, which keep size 1."""
    mean, apart = centred(x, axes)
    var = reduce.mean(arithmetic.square(apart), axes, keepdim=True)
    return arithmetic.mul(apart, exponential.rsqrt(arithmetic.add(var, eps))), mean, var


def _by_running(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, *, eps: float
) -> Tensor:
    along = (x.shape[1], *(1,) * (len(x.shape) - 2))
    centred = arithmetic.sub(x, layout.reshape(mean, along))
    factor = layout.reshape(exponential.rsqrt(arithmetic.add(var, eps)), along)
    return per_channel(arithmetic.mul(centred, factor), weight, bias)


def _move(
    running: Sequence[Tensor | None], new: Sequence[Tensor], momentum: Operand, count: int
) -> None:
    """running ← (1 - m)·running + m·new, for a mean and a variance divided by the count."""
    weights = (1.0, count / max(count - 1, 1))
    moving = [(r, n, w) for r, n, w in zip(running, new, weights, strict=True) if r is not None]
    if not moving:
        return
    averages, values, factors = zip(*moving, strict=True)
    with no_grad():
        if isinstance(momentum, Handle):
            moved = _moved(*averages, *values, momentum=momentum, factors=factors)
        else:
            options = {"momentum": float(momentum), "factors": factors}
            moved = as_one_call(_moved, *averages, *values, **options)
        for average, value in zip(averages, moved, strict=True):
            average.copy_(value)


def _moved(*tensors: Tensor, momentum: Operand, factors: tuple[float, ...]) -> tuple[Tensor, ...]:
    """The averages after a batch, of averages and of the batch's means with a factor each."""
    parts = zip(tensors, tensors[len(factors) :], factors, strict=False)
    return tuple([_mixed(running, new, momentum, factor) for running, new, factor in parts])


def _mixed(running: Tensor, new: Tensor, momentum: Operand, factor: float) -> Tensor:
    kept = arithmetic.mul(running, 1 - momentum)
    step = arithmetic.mul(layout.reshape(new, -1), factor)
    return arithmetic.add(kept, arithmetic.mul(step, momentum))
