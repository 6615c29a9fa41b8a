"""Step counts: a float32 scalar tensor that parameters updated together share.

A compiled step then counts and corrects biases once per group instead of once per parameter. A
parameter that skips a step keeps its count: its handle is split off. Example:
`share_counts(state, parameters)`, then `advance_counts(state, parameters)`.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

from chainrule.base import dtypes
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor

State = MutableMapping[Tensor, dict[str, Any]]


def share_counts(state: State, parameters: Sequence[Tensor]) -> bool:
    """Give parameters with equal counts one handle, which no other parameter has.

    Returns whether an existing handle was exchanged for another.
    """
    chosen = {id(p) for p in parameters}
    elsewhere = {
        id(entry["step"]) for p, entry in state.items() if id(p) not in chosen and "step" in entry
    }
    own = {id(state[p].get("step")) for p in parameters}
    if len(own) <= 1 and not own & elsewhere and all("step" in state[p] for p in parameters):
        return False
    handles: dict[float, Tensor] = {}
    exchanged = False
    for p in parameters:
        before = state[p].get("step")
        value = 0.0 if before is None else float(before)
        if value not in handles:
            if before is None or id(before) in elsewhere:
                handles[value] = tensor(value, dtype=dtypes.float32)
            else:
                handles[value] = before
        state[p]["step"] = handles[value]
        exchanged |= before is not None and before is not handles[value]
    return exchanged


def advance_counts(state: State, parameters: Sequence[Tensor]) -> list[tuple[list[Tensor], Any]]:
    """Count one step of `parameters`; returns (those with an equal count, that count) pairs.

    The count is a float; in a trace a float64 scalar.
    """
    together: dict[int, list[Tensor]] = {}
    for p in parameters:
        together.setdefault(id(state[p]["step"]), []).append(p)
    out = []
    for group in together.values():
        step = state[group[0]]["step"]
        step.add_(1)
        count = float(step) if modes.trace is None else cast(step, dtypes.float64)
        out.append((group, count))
    return out


def smaller(x: Any, y: Any) -> Any:
    """The smaller of two numbers, each of which may be a scalar in a trace."""
    traced = isinstance(x, Tensor) or isinstance(y, Tensor)
    return arithmetic.minimum(x, y) if traced else min(x, y)


def larger(x: Any, y: Any) -> Any:
    """The larger of two numbers, each of which may be a scalar in a trace."""
    traced = isinstance(x, Tensor) or isinstance(y, Tensor)
    return arithmetic.maximum(x, y) if traced else max(x, y)


def root(x: Any) -> Any:
    """√x of a number, or of a scalar in a trace."""
    return exponential.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)
