"""PyTorch's `random`: the default generator's seed and state, and numbers that leave no trace.

Example: `with random.fork_rng(): torch.manual_seed(0); x = torch.randn(3)`.
Source: https://docs.pytorch.org/docs/stable/random.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from chainrule.tensor.functional.random import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip


@contextlib.contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, *args: Any, **kwargs: Any
) -> Iterator[None]:
    """The default generator continues afterwards as if nothing inside had drawn from it."""
    del devices, args, kwargs
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
