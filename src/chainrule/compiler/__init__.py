"""From graphs to machine code that runs: see `pipeline.py`. PyTorch's `compiler` names, lazily."""

from __future__ import annotations

import importlib
from typing import Any

from chainrule.base.missing import missing_name

_SWITCHES = frozenset(
    {
        "allow_in_graph", "assume_constant_result", "cudagraph_mark_step_begin", "disable",
        "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends", "reset",
    }
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """One of PyTorch's switches, or `explain_cache`."""
    if name == "explain_cache":
        return importlib.import_module(f"{__name__}.cache_report").explain_cache
    if name in _SWITCHES:
        return getattr(importlib.import_module(f"{__name__}.switches"), name)
    return missing_name(__name__, name)


def __dir__() -> list[str]:
    """The names here, and those that would be imported."""
    return sorted({*globals(), *_SWITCHES, "explain_cache"})
