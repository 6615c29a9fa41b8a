"""How gradients and updates are distributed over the layers of a model.

    >>> health = examine(names, sums, norm=0.71)
    >>> print(describe(health))
    norm 0.71 · update:weight 2.1e-03 · quietest blocks.0.norm1 3e-04 · loudest head 5e-03

A quiet layer learns nothing (vanishing gradients), a loud one drowns the others (exploding). A
layer's gradient is given per weight, as root mean square, since layers differ in size. May
import NumPy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Layer:
    """One module's own parameters: gradient ‖g‖ and its rms, update ‖Δw‖ / ‖w‖."""

    norm: float
    rms: float
    update: float


@dataclass(frozen=True)
class Health:
    """Global gradient norm before clipping, global ‖Δw‖ / ‖w‖, and each layer's part."""

    norm: float
    update: float
    layers: dict[str, Layer]

    def as_record(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


def examine(sizes: Mapping[str, int], sums: ArrayLike, norm: float) -> Health:
    """Sum the parameters' numbers by layer.

    `sizes` gives the number of weights by parameter name; `sums` is [3, parameters] in the same
    order: Σg², ΣΔw², Σw². A layer is a parameter's name without its last part.
    """
    squares = np.asarray(sums, dtype=np.float64)
    layers: dict[str, list[Any]] = {}
    for column, (name, size) in enumerate(sizes.items()):
        entry = layers.setdefault(name.rpartition(".")[0] or name, [np.zeros(3), 0])
        entry[0] = entry[0] + squares[:, column]
        entry[1] += size
    return Health(
        norm=norm,
        update=_ratio(*squares.sum(axis=1)[1:]),
        layers={
            name: Layer(float(np.sqrt(g)), float(np.sqrt(g / size)), _ratio(d, w))
            for name, ((g, d, w), size) in layers.items()
        },
    )


def describe(health: Health) -> str:
    """One line for people."""
    quiet = min(health.layers, key=lambda name: health.layers[name].rms)
    loud = max(health.layers, key=lambda name: health.layers[name].rms)
    return (
        f"norm {health.norm:.2f} · update:weight {health.update:.1e} · "
        f"quietest {quiet} {health.layers[quiet].rms:.0e} · "
        f"loudest {loud} {health.layers[loud].rms:.0e}"
    )


def _ratio(change: float, weight: float) -> float:
    return float(np.sqrt(change / weight)) if weight > 0 else 0.0
