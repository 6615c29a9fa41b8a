"""Living modules and optimizers, how to recognise them, and the number of steps taken.

`nn` and `optim` add what they make; lower rooms search here, and neither knows the other. Nothing
is kept alive here. Example: `for module in MODULES: …`. Imports nothing of the package.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

MODULES: WeakSet[Any] = WeakSet()
OPTIMIZERS: WeakSet[Any] = WeakSet()


def is_module(value: Any) -> bool:
    """Whether the value is a layer or a model, of another library too."""
    cls = type(value)
    return hasattr(cls, "forward") and hasattr(cls, "named_parameters")


def is_optimizer(value: Any) -> bool:
    """Whether the value is an optimizer."""
    return hasattr(type(value), "add_param_group")


class Steps:
    """The steps that optimizers have taken so far, in all threads."""

    taken = 0
