"""Living modules and optimizers, and the number of steps: where a search for mistakes begins.

`nn` and `optim` add what they make; neither knows the other, and nothing is kept alive here.
Example: `for module in MODULES: …`. Imports nothing of the package.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

MODULES: WeakSet[Any] = WeakSet()
OPTIMIZERS: WeakSet[Any] = WeakSet()


class Steps:
    """The steps that optimizers have taken so far, in all threads."""

    taken = 0
