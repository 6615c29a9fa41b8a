"""The data of a flight recorder: the losses of every step, and looks at every N-th.

    history.looks[-1].parameters["out.weight"].gradient_norm

Plain data, to and from JSON. May import `inspect.flight.spread`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.inspect.flight.spread import Spread


@dataclass(frozen=True)
class ParameterLook:
    """One parameter at one step; `gradient` is None if backward left none."""

    weights: Spread
    gradient: Spread | None
    update: float | None  # ‖Δw‖ / ‖w‖ of this step
    stale: bool = False  # whether the gradient was added to a used one
    matrix: bool = True  # whether it has two axes or more

    @property
    def gradient_norm(self) -> float | None:
        """‖g‖ before clipping; infinite if an entry is not finite."""
        g = self.gradient
        if g is None:
            return None
        return float("inf") if g.not_finite else g.norm


@dataclass(frozen=True)
class Look:
    """All measurements of one step.

    `activations` has by position ("blocks.0 gelu", "lstm forget gate") the shares `dead` of the
    units and `saturated` of the values, or the `entropy` of attention relative to that of equal
    weights (`lowest`: of the head with the least).
    """

    step: int
    learning_rate: float | None
    parameters: dict[str, ParameterLook]
    activations: dict[str, dict[str, float]]

    def layers(self) -> dict[str, dict[str, float]]:
        """Gradient norm, rms gradient and ‖Δw‖ / ‖w‖ by layer, the parameters of one module."""
        sums: dict[str, list[float]] = {}
        for name, p in self.parameters.items():
            entry = sums.setdefault(name.rpartition(".")[0] or name, [0.0, 0.0, 0.0, 0.0])
            norm, weights = p.gradient_norm or 0.0, p.weights.norm
            change = (p.update or 0.0) * weights
            for i, more in enumerate((norm**2, p.weights.size, change**2, weights**2)):
                entry[i] += more
        return {
            name: {
                "norm": square**0.5,
                "rms": (square / size) ** 0.5 if size else 0.0,
                "update": (change / weight) ** 0.5 if weight > 0 else 0.0,
            }
            for name, (square, size, change, weight) in sums.items()
        }

    @property
    def norm(self) -> float:
        """The norm of all gradients together, before clipping."""
        return math.hypot(*(p.gradient_norm or 0.0 for p in self.parameters.values()))

    @property
    def update(self) -> float:
        """‖Δw‖ / ‖w‖ over all parameters."""
        known = [p for p in self.parameters.values() if p.update is not None]
        weights = sum(p.weights.norm**2 for p in known)
        changes = sum(((p.update or 0.0) * p.weights.norm) ** 2 for p in known)
        return (changes / weights) ** 0.5 if weights > 0 else 0.0

    def as_record(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "learning_rate": self.learning_rate,
            "norm": self.norm,
            "update": self.update,
            "layers": self.layers(),
            "activations": self.activations,
            "parameters": {
                name: {
                    **vars(p),
                    "weights": p.weights.as_record(),
                    "gradient": None if p.gradient is None else p.gradient.as_record(),
                }
                for name, p in self.parameters.items()
            },
        }

    @classmethod
    def from_record(cls, step: int, record: Mapping[str, Any]) -> Look:
        """The inverse of `as_record`."""
        parameters = {
            name: ParameterLook(**{**p, **{
                part: None if p[part] is None else Spread.from_record(p[part])
                for part in ("weights", "gradient")
            }})
            for name, p in record["parameters"].items()
        }  # fmt: skip
        return cls(step, record["learning_rate"], parameters, dict(record["activations"]))


@dataclass
class History:
    """Losses by step, losses on held-out data, and looks."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    traps: dict[str, str] = field(default_factory=dict)  # evidence by kind

    def as_records(self) -> list[dict[str, Any]]:
        """The history in JSON's types, one dictionary for each loss and look."""
        return [
            *({"step": step, "loss": loss} for step, loss in self.losses),
            *({"step": step, "held_out": loss} for step, loss in self.held_out),
            *({"step": look.step, "look": look.as_record()} for look in self.looks),
            *({"trap": kind, "evidence": text} for kind, text in self.traps.items()),
        ]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> History:
        """The inverse of `as_records`; dictionaries of other kinds are ignored."""
        history = cls()
        for record in records:
            if "loss" in record:
                history.losses.append((record["step"], record["loss"]))
            if "held_out" in record:
                history.held_out.append((record["step"], record["held_out"]))
            if "trap" in record:
                history.traps[record["trap"]] = record["evidence"]
            if "look" in record:
                history.looks.append(Look.from_record(record["step"], record["look"]))
        return history
