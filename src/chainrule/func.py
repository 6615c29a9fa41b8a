"""PyTorch's `func`: functions of functions. Re-exports only.

Example: `func.vmap(func.grad(loss), (None, 0))(weights, examples)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.nn.functional_call import functional_call, stack_module_state
from chainrule.tensor.transforms import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)
from chainrule.tensor.vmap import vmap

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
