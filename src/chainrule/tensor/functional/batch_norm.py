"""Normalisation by statistics of the batch, and by their running averages.

Example: `batch_norm(x, running_mean, running_var, weight, bias, training=True)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.arguments import check_number
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, floating
from chainrule.tensor.functional import arithmetic, exponential, layout, reduce
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.moments import centred
from chainrule.tensor.functional.normalize import per_channel
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import no_grad
from chainrule.tensor.one_call import one_call

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
        if not x.array_type.size:  # an empty batch moves nothing
            running_mean = running_var = None
        running = running_mean, running_var
        found: Any = _by_batch(x, weight, bias, *running, momentum, eps)
        for average, new in zip(running, found[1:], strict=True):
            _move(average, new)
        out: Tensor = found[0]
    else:
        if running_mean is None or running_var is None:
            raise ArgumentError("batch_norm in evaluation needs running_mean and running_var")
        out = _by_running(x, running_mean, running_var, weight, bias, eps)
    return out


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
            means = [reduce.mean(layout.reshape(t, flat), 0) for t in (mean, var)]
            _move(running_mean, _moved(running_mean, means[0], momentum))
            _move(running_var, _moved(running_var, means[1], momentum, count))
    else:
        if running_mean is None or running_var is None:
            raise ArgumentError("instance_norm without use_input_stats needs running averages")
        out = _by_running(x, running_mean, running_var, weight, bias, eps)
    return out


@one_call
def _by_batch(
    x: Tensor, weight: Operand, bias: Operand, running_mean: Tensor | None,
    running_var: Tensor | None, momentum: Operand, eps: float,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The normalised batch, and the running averages moved by its μ and σ²."""
    normal, mean, var = _standardized(x, tuple(i for i in range(len(x.shape)) if i != 1), eps)
    count, channels = x.array_type.size // max(x.shape[1], 1), (x.shape[1],)
    return (
        per_channel(normal, weight, bias),
        _moved(running_mean, layout.reshape(mean, channels), momentum),
        _moved(running_var, layout.reshape(var, channels), momentum, count),
    )


def _standardized(x: Tensor, axes: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x - μ)/√(σ² + eps), μ and σ², over `axes`, which keep size 1."""
    mean, apart = centred(x, axes)
    var = reduce.mean(arithmetic.square(apart), axes, keepdim=True)
    return arithmetic.mul(apart, exponential.rsqrt(arithmetic.add(var, eps))), mean, var


@one_call
def _by_running(
    x: Tensor, mean: Tensor, var: Tensor, weight: Operand, bias: Operand, eps: float
) -> Tensor:
    along = (x.shape[1], *(1,) * (len(x.shape) - 2))
    centred = arithmetic.sub(x, layout.reshape(mean, along))
    factor = layout.reshape(exponential.rsqrt(arithmetic.add(var, eps)), along)
    return per_channel(arithmetic.mul(centred, factor), weight, bias)


def _moved(running: Tensor | None, new: Tensor, momentum: Operand, count: int = 0) -> Tensor | None:
    """(1 - m)·running + m·new; with a count, new is a variance divided by it."""
    if running is None:
        return None
    factor = momentum if isinstance(momentum, Handle) else float(momentum)
    with no_grad():
        step = arithmetic.mul(new.detach(), count / max(count - 1, 1) if count else 1.0)
        kept = arithmetic.mul(running, 1 - factor)  # type: ignore[operator]
        return arithmetic.add(kept, arithmetic.mul(step, factor))


def _move(running: Tensor | None, new: Tensor | None) -> None:
    """Give a running average its new value."""
    if running is not None and new is not None:
        with no_grad():
            running._write(new)
