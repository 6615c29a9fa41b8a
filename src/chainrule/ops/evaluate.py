"""The meaning of a graph: each node's NumPy meaning, in order. The oracle of every other execution.

Infinities and NaN are values here: no floating-point warning is given. Example:
`evaluate(graph, (x, y))` returns the outputs as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import topological


def evaluate(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """Values of `graph.outputs` for values of `graph.inputs` (a tuple for a tuple type)."""
    env: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))
    order = topological(graph.outputs)
    last = {child: node for node in order for child in node.inputs}
    keep = {*graph.outputs}
    with np.errstate(all="ignore"):
        for node in order:
            if node not in env:
                env[node] = node.op.numpy([env[child] for child in node.inputs], node.attrs)
            for child in {*node.inputs}:
                if last[child] is node and child not in keep:
                    del env[child]
    return [env[node] for node in graph.outputs]
