"""Tiles to LLVM: `emit` writes a kernel as textual LLVM IR with explicit vectors.

Imports kernel and base; llvmlite only inside functions. Names are re-exported lazily.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Target": "target",
    "host_target": "target",
    "emit": "emit",
    "scratch_bytes": "scratch",
    "task_count": "scratch",
}

__all__ = ["Target", "emit", "host_target", "scratch_bytes", "task_count"]  # noqa: F822


def __getattr__(name: str) -> Any:
    """Import the home of a public name at its first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
