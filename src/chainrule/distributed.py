"""PyTorch's `distributed`: not available, a process of its own is the whole world.

Example: `rank = distributed.get_rank() if distributed.is_initialized() else 0`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, DeviceError
from chainrule.base.missing import missing_from

__all__ = ["get_rank", "get_world_size", "init_process_group", "is_available", "is_initialized"]


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Raises: there are no other processes to work with."""
    del args, kwargs
    raise DeviceError(
        "there is no distributed training here: run one process (distributed.is_available() is "
        "False)"
    )


def get_rank(group: Any = None) -> int:
    """Raises, as PyTorch does before `init_process_group`."""
    del group
    raise ArgumentError("distributed is not initialized: ask distributed.is_initialized() first")


get_world_size = get_rank

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
