"""The gradient through time of each state, by step and token.

Example: `print(gradient_through_time(loss, x, y))`. May import NumPy.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 48  # the most steps drawn
_ROUNDING = 1e-9  # a factor this near 1 counts as 1
_EXPLODED = 1e3
_FAINT = 1e-12  # smaller shares of the gradient are rounding errors


@dataclass(frozen=True)
class State:
    """One state of a recurrent network.

    `norms` are ‖∂L/∂hₜ‖ [steps, batch]. `flow` [steps, batch] is the share, at each step, of the
    gradient that enters at the last one: ‖vᵀ ∂h_T/∂hₜ‖ / ‖v‖ for v = ∂L/∂h_T, so 1 at the end.
    `order` lists the steps as they ran; `tokens` [steps, batch] may be missing.
    """

    name: str
    norms: Array
    flow: Array
    order: tuple[int, ...]
    tokens: Array | None = None

    @property
    def decay(self) -> float:
        """The factor by which the gradient shrinks (or grows) with each step back."""
        left = self.left()
        known = left[np.isfinite(left) & (left > _FAINT)]
        if len(known) < 2:
            return 0.0
        lags = np.arange(len(known))
        return float(np.exp(np.polyfit(lags, np.log(known), 1)[0]))

    @property
    def memory(self) -> float:
        """The effective memory: the number of tokens back at which 1/e of the gradient is left."""
        decay = self.decay
        if decay <= 0:
            return 0.0
        return math.inf if decay > 1 - _ROUNDING else -1 / math.log(decay)

    def left(self) -> Array:
        """The share left 0, 1, 2, … steps before the end: the geometric mean over the batch."""
        rows = self.flow[list(self.order)][::-1]
        with np.errstate(all="ignore"):
            means: Array = np.nanmean(np.log(np.where(rows > 0, rows, np.nan)), axis=1)
            return np.exp(means)

    def as_record(self) -> dict[str, Any]:
        """The state in JSON's types."""
        return {
            "name": self.name,
            "decay": self.decay,
            "memory": None if math.isinf(self.memory) else self.memory,
            "norms": self.norms.tolist(),
            "flow": np.nan_to_num(self.flow).tolist(),
            "order": list(self.order),
            "tokens": None if self.tokens is None else self.tokens.tolist(),
        }


@dataclass(frozen=True)
class ThroughTime:
    """All states of a network, printed or as JSON."""

    states: tuple[State, ...]

    def __str__(self) -> str:
        """The decay and memory of each state, and ‖∂L/∂hₜ‖ by step as bars on a log scale."""
        return "\n".join("\n".join(_told(state)) for state in self.states)

    __repr__ = __str__

    def write(self, writer: Any, step: int) -> None:
        """Write decay, memory and the norms by step to a `SummaryWriter`."""
        for state in self.states:
            name = state.name.replace(" ", "_")
            writer.add_scalar(f"decay_through_time/{name}", state.decay, step)
            if math.isfinite(state.memory):
                writer.add_scalar(f"memory_in_tokens/{name}", state.memory, step)
            writer.add_histogram(f"gradient_through_time/{name}", state.norms, step)

    def to_json(self) -> str:
        """Every number."""
        return json.dumps({"states": [state.as_record() for state in self.states]})


def _told(state: State) -> list[str]:
    steps, memory, decay = len(state.order), state.memory, state.decay
    if decay > 1 + _ROUNDING:
        explodes = ", exploding" if decay**steps > _EXPLODED else ""
        what = f"× {decay:.3g} with each step back: it grows{explodes}"
    elif math.isinf(memory):
        what = "nothing of the gradient is lost on its way back"
    else:
        what = f"× {decay:.3g} with each step back, an effective memory of {memory:.1f} tokens"
    left = state.left()
    whole = np.sqrt((state.norms**2).sum(axis=1))
    return [
        f"{state.name}, {steps} steps: {what}",
        f"  ‖∂L/∂hₜ‖  {_bars(whole)}  {whole.min():.1e} … {whole.max():.1e}",
        f"  of what enters at the last step {left[-1]:.1e} is left at the first",
    ]


def _bars(values: Array) -> str:
    """One character for each step, from the smallest to the largest power of ten."""
    shown = values[np.linspace(0, len(values) - 1, min(len(values), _WIDTH)).round().astype(int)]
    with np.errstate(all="ignore"):
        logs = np.log10(shown)
    known = logs[np.isfinite(logs)]
    if not len(known):
        return _BARS[0] * len(shown)
    low, span = known.min(), max(float(np.ptp(known)), 1.0)
    return "".join(
        _BARS[1 + round((x - low) / span * (len(_BARS) - 2))] if math.isfinite(x) else _BARS[0]
        for x in logs
    )
