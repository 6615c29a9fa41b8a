"""`autograd.gradcheck` and `gradgradcheck` with PyTorch's arguments, by `gradcheck` here.

Steps and tolerances are chosen per entry here, so `eps`, `atol`, `rtol` and the switches of
PyTorch's own method are accepted and change nothing. Example: `gradcheck(fn, (x,), eps=1e-6)`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.inspect.gradcheck import gradcheck as check


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, **switches: Any,
) -> bool:  # fmt: skip
    """Whether ∂func/∂inputs agrees with finite differences; raises if not and `raise_exception`."""
    del eps, atol, rtol, switches
    return bool(check(func, inputs, raise_exception=raise_exception))


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True, **switches: Any,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient; results are projected on weights chosen here."""
    del grad_outputs, eps, atol, rtol, switches
    return bool(check(func, inputs, 2, raise_exception=raise_exception))
