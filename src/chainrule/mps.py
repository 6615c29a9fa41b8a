"""PyTorch's `mps`: there is no such device. Example: `mps.is_available()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.cuda import device_count, empty_cache, is_available, manual_seed, seed
from chainrule.tensor.inert import refuse_device

synchronize = refuse_device("mps")

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "seed", "synchronize"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
