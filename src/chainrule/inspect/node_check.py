"""What a node sends back, against central differences of the node alone, on its real values.

    ⟨sent, v⟩   against   d/dh ⟨upstream, f(x + h·v)⟩   for a random v

So every local derivative that is shown was measured, in float64, with the numbers beside it.
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
_NOISE = 1e-14  # of the numbers whose sum is differentiated: what cancels leaves as much
_LARGEST = 20_000  # numbers that a node which is measured may read and write


@dataclass(frozen=True)
class Measured:
    """How far what was sent lies from the numerical derivative, relative to its size.

    `kink`: every step of the difference crosses one, so there is nothing to compare with.
    """

    error: float
    kink: bool = False

    @property
    def holds(self) -> bool:
        """Whether they agree, as far as float32 can."""
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
    """For each operand that something is sent to; nothing for nodes that are too large."""
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
        return {}  # the node refuses what it had: there is nothing to compare with
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
