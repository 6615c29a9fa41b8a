"""PyTorch's `amp`: mixed precision, which computes in float32 here. Re-exports only.

Example: `with amp.autocast("cpu"): …`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.optim.grad_scaler import GradScaler
from chainrule.tensor.inert import autocast


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` accepts the device type: the CPU's."""
    return device_type == "cpu"


__all__ = ["GradScaler", "autocast", "is_autocast_available"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
