"""Gradient clipping against exploding gradients.

Example: `clip_grad_norm_(model.parameters(), 1.0)` between `backward()` and `step()`.
May import `tensor`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chainrule.base.errors import GradientError
from chainrule.tensor.functional import arithmetic, comparison, join, reduce
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.functional.moments import root
from chainrule.tensor.functional.norms import norm
from chainrule.tensor.modes import no_grad
from chainrule.tensor.repeated import Repeated
from chainrule.tensor.tensor import Tensor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    found = [p.grad for p in listed]
    return [grad for grad in found if grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """The p-norm over all elements of all tensors; `foreach` is accepted without effect."""
    del foreach
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not listed:
        total = zeros(())
    elif norm_type == 2:  # the root of the squares' sum, without a root for each tensor
        squares = [reduce.sum(arithmetic.mul(t, t)) for t in listed]
        total = root(reduce.sum(join.stack(squares)))
    else:
        total = norm(join.stack([norm(t, norm_type) for t in listed]), norm_type)
    if error_if_nonfinite and not comparison.isfinite(total):
        raise GradientError(
            f"the norm of the gradients is {total.item()}: some gradient is infinite or NaN"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: Any = None
) -> None:
    """g ← g · min(1, max_norm / (total_norm + 1e-6)) for a given norm."""
    del foreach
    with no_grad():
        ratio = arithmetic.div(max_norm, arithmetic.add(total_norm, 1e-6))
        factor = comparison.clamp(ratio, max=1.0)
        scale = Repeated(lambda grad: grad.mul_(factor))
        for grad in _gradients(parameters):
            scale(grad)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: Any = None,
) -> Tensor:  # fmt: skip
    """g ← g · min(1, max_norm / (norm + 1e-6)), the norm over all gradients; returns the norm.

    `error_if_nonfinite` reads the value, so it works outside compiled functions only; `foreach` is
    accepted without effect. Source: Pascanu et al. (2013).
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with no_grad():
        total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: Any = None
) -> None:
    """g ← g limited to [-clip_value, clip_value], element by element."""
    del foreach
    with no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(-clip_value, clip_value)
