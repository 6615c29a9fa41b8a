"""PyTorch's `cuda`: there is no such device, and every question about it says so.

Example: `device = "cuda" if cuda.is_available() else "cpu"`.
Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from chainrule.base.dtypes import DType, float16
from chainrule.base.missing import missing_from
from chainrule.optim.grad_scaler import GradScaler
from chainrule.tensor import inert

__all__ = [
    "amp", "current_device", "device", "device_count", "empty_cache", "get_device_capability",
    "get_device_name", "get_device_properties", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "seed", "seed_all", "set_device",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    del including_emulation
    return False


def device_count() -> int:
    """0."""
    return 0


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    del device
    return 0


def manual_seed(seed: int) -> None:
    """Nothing happens: there is no generator to seed."""


def seed() -> None:
    """Nothing happens: there is no generator to seed, nor memory to give back."""


is_initialized = is_available
max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
manual_seed_all, seed_all, empty_cache = manual_seed, seed, seed
current_device = device = synchronize = set_device = inert.refuse_device("cuda")
get_device_capability = get_device_name = get_device_properties = current_device


class _CudaAutocast(inert.autocast):
    """`cuda.amp.autocast(enabled)`: the older form."""

    def __init__(
        self, enabled: bool = True, dtype: DType = float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class _CudaGradScaler(GradScaler):
    """`cuda.amp.GradScaler(init_scale, …)`: the older form."""

    def __init__(
        self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


class _Amp(types.ModuleType):
    """`cuda.amp`."""

    autocast = _CudaAutocast
    GradScaler = _CudaGradScaler
    __all__ = ("GradScaler", "autocast")


amp = _Amp(f"{__name__}.amp", _Amp.__doc__)
amp.__dict__["__getattr__"] = missing_from(amp.__name__)
sys.modules[amp.__name__] = amp

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
