"""Gradient clipping against exploding gradients.

Example: `clip_grad_norm_(model.parameters(), 1.0)` between `backward()` and `step()`.
May import `tensor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.base.dtypes import DType
from chainrule.base.errors import GradientError
from chainrule.tensor.convert import cast, filled
from chainrule.tensor.functional import arithmetic, comparison, join, reduce
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.functional.moments import root
from chainrule.tensor.functional.norms import norm
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.one_call import as_one_call
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
    total = as_one_call(_total, *listed, norm_type=norm_type) if listed else zeros(())
    if error_if_nonfinite and not comparison.isfinite(total):
        raise GradientError(
            f"the norm of the gradients is {total.item()}: some gradient is infinite or NaN"
        )
    return total


def _total(*tensors: Tensor, norm_type: float) -> Tensor:
    if norm_type == 2:  # the root of the squares' sum, without a root for each tensor
        squares = [reduce.sum(arithmetic.mul(t, t)) for t in tensors]
        return root(reduce.sum(join.stack(squares)))
    return norm(join.stack([norm(t, norm_type) for t in tensors]), norm_type)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: Any = None
) -> None:
    """g ← g · min(1, max_norm / (total_norm + 1e-6)) for a given norm."""
    del foreach
    _scale(_gradients(parameters), max_norm, total_norm)


def _scale(gradients: Sequence[Tensor], max_norm: float, norm: Tensor) -> None:
    with no_grad():
        limit = _number(max_norm, norm.dtype)
        _change(arithmetic.mul, gradients, as_one_call(_factor, limit, norm))


def _factor(limit: Tensor, norm: Tensor) -> Tensor:
    return comparison.clamp(arithmetic.div(limit, arithmetic.add(norm, 1e-6)), max=1.0)


def _number(value: float | Tensor, dtype: DType) -> Tensor:
    """A number as an operand: what is recorded does not depend on it."""
    return value if isinstance(value, Tensor) else filled(value, dtype, ())


def _change(
    fn: Callable[[Tensor, Tensor], Tensor], gradients: Sequence[Tensor], number: Tensor
) -> None:
    """g ← fn(g, number) for each gradient: all in one call where it is recorded."""
    if modes.trace is not None or len({*map(id, gradients)}) < len(gradients):
        change = Repeated(lambda grad: grad._write(fn(grad, number)))
        for grad in gradients:
            change(grad)
    elif gradients:
        made = as_one_call(_changed, number, *gradients, fn=fn)
        for grad, new in zip(gradients, made, strict=True):
            grad._rebind(new)


def _changed(number: Tensor, *gradients: Tensor, fn: Callable[..., Tensor]) -> tuple[Tensor, ...]:
    return tuple([cast(fn(grad, number), grad.dtype) for grad in gradients])


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: Any = None,
) -> Tensor:  # fmt: skip
    """g ← g · min(1, max_norm / (norm + 1e-6)), the norm over all gradients; returns the norm.

    `error_if_nonfinite` reads the value, so it works outside compiled functions only; `foreach` is
    accepted without effect. Source: Pascanu et al. (2013).
    """
    del foreach
    gradients = _gradients(parameters)
    with no_grad():
        total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: Any = None
) -> None:
    """g ← g limited to [-clip_value, clip_value], element by element."""
    del foreach
    with no_grad():
        gradients = _gradients(parameters)
        if gradients:
            _change(_limited, gradients, _number(clip_value, gradients[0].dtype))


def _limited(grad: Tensor, limit: Tensor) -> Tensor:
    return comparison.clamp(grad, arithmetic.neg(limit), limit)
