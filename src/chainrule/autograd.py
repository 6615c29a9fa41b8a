"""PyTorch's `autograd`: gradients as values, and the switches for recording. Re-exports only.

Example: `(g,) = autograd.grad(loss, [weight])`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from chainrule.base.missing import missing_name
from chainrule.tensor import anomaly as anomaly_mode
from chainrule.tensor import derivatives as functional
from chainrule.tensor import function
from chainrule.tensor import modes as grad_mode
from chainrule.tensor.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from chainrule.tensor.backward import backward_all as backward
from chainrule.tensor.backward import gradients as grad
from chainrule.tensor.function import Function
from chainrule.tensor.legacy import Variable
from chainrule.tensor.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "Function", "Variable", "anomaly_mode", "backward", "detect_anomaly", "enable_grad", "function",
    "functional", "grad", "grad_mode", "inference_mode", "is_anomaly_enabled", "no_grad",
    "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip

# `import chainrule.autograd.grad_mode` finds the module under PyTorch's name
for _name in ("anomaly_mode", "function", "functional", "grad_mode"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name]

if TYPE_CHECKING:
    from chainrule.inspect.pytorch_forms import gradcheck as gradcheck  # noqa: PLC0414 - public
    from chainrule.inspect.pytorch_forms import gradgradcheck as gradgradcheck  # noqa: PLC0414 - public

_LAZY = dict.fromkeys(("gradcheck", "gradgradcheck"), "chainrule.inspect.pytorch_forms")


if not TYPE_CHECKING:  # a checker knows which names there are

    def __getattr__(name: str) -> Any:
        """What checks gradients is imported at its first use."""
        if name in _LAZY:
            return getattr(importlib.import_module(_LAZY[name]), name)
        return missing_name(__name__, name)


def __dir__() -> list[str]:
    """What is here and what would be imported."""
    return sorted({*globals(), *_LAZY})
