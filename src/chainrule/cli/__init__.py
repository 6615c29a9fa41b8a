"""The `chainrule` command. `main` is its entry point, loaded at its first use."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Re-export `main` lazily."""
    if name == "main":
        from chainrule.cli.command import main

        return main
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
