"""Step counts: a float32 scalar tensor that parameters updated together share.

Shared, a compiled step counts and corrects biases once per group instead of once per parameter.
A parameter that sits out a step keeps the old count: then the handle is split. Example:
`t = advance(self.state, parameters)` gives the count after this step.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

from chainrule.base import dtypes
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.functional import pointwise
from chainrule.tensor.host import untraced
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor

State = MutableMapping[Tensor, dict[str, Any]]


def advance(state: State, parameters: Sequence[Tensor]) -> list[tuple[list[Tensor], Any]]:
    """Count one step of `parameters`: (those with an equal count, that count) in turn.

    The count is a float; in a trace a float64 scalar.
    """
    with untraced():
        _share(state, parameters)
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


def _share(state: State, parameters: Sequence[Tensor]) -> None:
    """One handle for equal counts among `parameters`, and for nobody else."""
    chosen = {id(p) for p in parameters}
    elsewhere = {
        id(entry["step"]) for p, entry in state.items() if id(p) not in chosen and "step" in entry
    }
    if all(
        "step" in state[p] and id(state[p]["step"]) not in elsewhere for p in parameters
    ) and (len({id(state[p]["step"]) for p in parameters}) <= 1):
        return
    handles: dict[float, Tensor] = {}
    for p in parameters:
        value = float(state[p].get("step", 0.0))
        if value not in handles:
            handles[value] = tensor(value, dtype=dtypes.float32)
        state[p]["step"] = handles[value]


def root(x: Any) -> Any:
    """√x of a number, or of a scalar in a trace."""
    return pointwise.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)
