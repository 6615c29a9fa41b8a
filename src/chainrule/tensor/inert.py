"""PyTorch's settings for other hardware: accepted, without effect on a CPU.

Reduced precision computes in float32 here; results are always deterministic (docs/conventions.md).
Example: `with autocast("cpu", dtype=bfloat16): loss = model(x)`.
May import base and the tensor's conversions.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Self

from chainrule.base.dtypes import DType, bfloat16
from chainrule.base.errors import ArgumentError, DeviceError
from chainrule.tensor.convert import check_device
from chainrule.tensor.device import CPU, device, names_device

__all__ = [
    "are_deterministic_algorithms_enabled", "autocast", "get_autocast_dtype", "get_default_device",
    "get_float32_matmul_precision", "get_num_interop_threads", "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled", "set_default_device",
    "set_float32_matmul_precision", "set_num_interop_threads", "use_deterministic_algorithms",
]  # fmt: skip

_PRECISIONS = ("highest", "high", "medium")
_chosen: dict[str, Any] = {
    "precision": "highest",
    "deterministic": False,
    "warn_only": False,
    "interop": os.cpu_count() or 1,
}


class autocast(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """A block for a narrower float type; here each operation keeps the dtypes of its operands.

    Source: https://docs.pytorch.org/docs/stable/amp.html
    """

    def __init__(
        self, device_type: str, dtype: DType | None = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        """PyTorch's arguments; an unknown `device_type` raises."""
        if not names_device(device_type):
            raise ArgumentError(f"autocast has no device type {device_type!r}: use 'cpu'")
        self.device = device_type
        self.fast_dtype = bfloat16 if dtype is None else dtype
        self.enabled = enabled
        self.cache_enabled = cache_enabled

    def __call__(self, func: Callable[..., Any]) -> Any:
        return super().__call__(func)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing changed."""


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: each operation keeps the dtypes of its operands."""
    del device_type
    return False


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype that PyTorch would use inside `autocast`."""
    del device_type
    return bfloat16


def set_float32_matmul_precision(precision: str) -> None:
    """Remember `precision`; float32 products are always computed in float32."""
    if precision not in _PRECISIONS:
        raise ArgumentError(f"precision {precision!r} is not one of {', '.join(_PRECISIONS)}")
    _chosen["precision"] = precision


def get_float32_matmul_precision() -> str:
    """The `precision` given to `set_float32_matmul_precision`."""
    return str(_chosen["precision"])


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remember `mode`; results are deterministic anyway (docs/conventions.md)."""
    _chosen.update(deterministic=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """The `mode` given to `use_deterministic_algorithms`."""
    return bool(_chosen["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """The `warn_only` given to `use_deterministic_algorithms`."""
    return bool(_chosen["warn_only"])


def set_num_interop_threads(num: int) -> None:
    """Remember `num`; threads share the work inside a step: see `set_num_threads`."""
    if num < 1:
        raise ArgumentError(f"the number of threads must be positive, not {num}")
    _chosen["interop"] = num


def get_num_interop_threads() -> int:
    """The `num` given to `set_num_interop_threads`, initially the number of cores."""
    return int(_chosen["interop"])


def set_default_device(device: Any) -> None:
    """Set the device of new tensors: None or the CPU."""
    check_device(device)


def get_default_device() -> device:
    """The CPU."""
    return CPU


def refuse_device(kind: str) -> Callable[..., Any]:
    """A function that raises, as there is no device of this type."""

    def needs(*args: Any, **kwargs: Any) -> Any:
        """Raise: this machine's tensors are on the CPU."""
        del args, kwargs
        raise DeviceError(f"there is no {kind} device here: ask {kind}.is_available() first")

    return needs
