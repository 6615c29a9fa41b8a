"""Modules and optimizers that are alive, and how often any has stepped.

This is where one looks when something is not trained.

Both rooms add what they make; neither knows the other. Nothing is kept alive here. Example:
`for module in MODULES: …`. Imports nothing of the package.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

MODULES: WeakSet[Any] = WeakSet()
OPTIMIZERS: WeakSet[Any] = WeakSet()
_steps = [0]


def steps() -> int:
    """How many steps optimizers have taken so far."""
    return _steps[0]


def note_step() -> None:
    """An optimizer takes a step."""
    _steps[0] += 1
