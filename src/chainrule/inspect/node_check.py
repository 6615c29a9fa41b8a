"""The check of one node: the gradients it sends, against central differences on its real values.

    ⟨sent, v⟩   against   d/dh ⟨upstream, f(x + h·v)⟩   for a random v

So every displayed local derivative is measured, in float64, with the displayed numbers.
Example: `measured(node, values, upstream, {0: sent})`. May import `inspect.numeric`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ChainruleError
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.inspect.numeric import Probe
from chainrule.inspect.recording import widened
from chainrule.ops.evaluate import apply_meaning

Array = np.ndarray[Any, Any]
_ROUNDING = 1e-9
_NOISE = 1e-14  # relative to the summed numbers: the error after cancellation
_LARGEST = 20_000  # the most numbers that a measured node reads and writes


@dataclass(frozen=True)
class Measured:
    """The relative distance of a sent gradient from the numerical derivative.

    `kink`: every step of the difference crosses one, so there is no comparison.
    """

    error: float
    kink: bool = False

    @property
    def holds(self) -> bool:
        """Whether they agree up to float32 rounding."""
        return not self.kink and self.error <= 1e-4

    def __str__(self) -> str:
        """`✓`, with the distance if it is more than rounding in float64; `✗ 0.5`; or a kink."""
        if self.kink:
            return "at a kink"
        if self.error <= _ROUNDING:
            return "✓"
        return f"{'✓' if self.holds else '✗'} {self.error:.0e}"


def measured(
    node: Node, values: Sequence[Any], upstream: Any, sent: Mapping[int, Any]
) -> dict[int, Measured]:
    """The measurement for each operand that gets a gradient; empty for too large nodes."""
    if not isinstance(node.type, Type) or upstream is None or any(v is None for v in values):
        return {}
    if node.type.size + sum(np.size(v) for v in values) > _LARGEST:
        return {}
    inputs = tuple(input_node(n.type) for n in node.inputs)
    again = Node(node.op, inputs, node.attrs, node.type, node.source)
    graph = widened(Graph(inputs, (again,)))
    env: dict[Node, Any] = {
        n: np.asarray(v, np.float64) if n.array.dtype is dtypes.float64 else v
        for n, v in zip(graph.inputs, values, strict=True)
    }
    (out,) = graph.outputs
    rng = np.random.default_rng(0)
    found = {}
    try:
        with np.errstate(all="ignore"):
            env[out] = apply_meaning(out.op, list(env.values()), out.attrs)
        for i, part in sent.items():
            if graph.inputs[i].array.dtype.kind != "float" or part is None:
                continue
            probe = Probe(out, graph.inputs[i], env, weight=np.asarray(upstream, np.float64))
            found[i] = _compared(probe, np.asarray(part, np.float64), rng)
    except ChainruleError:
        return {}  # the op refuses the values in float64: no comparison
    return found


def _compared(probe: Probe, sent: Array, rng: np.random.Generator) -> Measured:
    direction = rng.choice((-1.0, 1.0), sent.shape) * rng.uniform(0.5, 1.0, sent.shape)
    numeric = probe.difference(direction)
    if numeric.kink:
        return Measured(float("nan"), kink=True)
    terms = sent * direction
    scale = max(float(np.sum(np.abs(terms))), abs(numeric.value))
    off = abs(float(np.sum(terms)) - numeric.value)
    noise = _NOISE * float(np.sum(np.abs(probe.weight * probe.env[probe.target])))
    return Measured(0.0 if off <= noise else off / scale)
