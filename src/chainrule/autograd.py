"""PyTorch's `autograd`: gradients as values, and the switches for recording. Re-exports only.

Example: `(g,) = autograd.grad(loss, [weight])`.
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.tensor.backward import backward_all as backward
from chainrule.tensor.backward import gradients as grad
from chainrule.tensor.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]

__getattr__ = missing_from(__name__)
