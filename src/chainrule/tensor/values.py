"""What the values of an operand must be: standard deviations ≥ 0, lengths inside the batch.

A condition on values is written once, for arrays and tensors alike, and passes through `require`:
eager code asks it here, before anything is computed.
Example: `require("std", std, lambda v: v >= 0, "a standard deviation is at least 0")`.
May import base and the tensor's handle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes


def is_probability(value: Any) -> Any:
    """Whether each element lies between 0 and 1; NaN does not."""
    return (value >= 0) & (value <= 1)


def require(name: str, given: Any, holds: Callable[[Any], Any], rule: str) -> None:
    """Raise `ArgumentError` unless `holds(values)` is true for every element of `given`.

    `given` is a tensor or a number, `holds` gives a bool for each element, `rule` says in words
    what must hold; the error names the first element for which it does not, and its place. A
    traced tensor has no values yet, and is not checked.
    """
    if not isinstance(given, Handle):
        if not holds(given):
            raise ArgumentError(f"{name}: {rule}, not {given}")
        return
    if modes.trace is not None:
        return
    values = given._concrete(f"{name}()")
    wrong = np.logical_not(holds(values))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f" at {place}" if place else ""
        raise ArgumentError(f"{name}: {rule}, not {values[place]}{where}")
