"""The meaning of a graph: each node's NumPy meaning, in order. The oracle of every other execution.

Infinities and NaN are values here: no floating-point warning is given. Example:
`evaluate(graph, (x, y))` returns the outputs as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Attrs, Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.record import Op


def apply_meaning(op: Op, values: Sequence[Any], attrs: Attrs) -> Any:
    """The NumPy meaning of one op: an array (never a NumPy scalar), or a tuple of them."""
    out = op.numpy(values, attrs)
    return out if type(out) is np.ndarray or type(out) is tuple else np.asarray(out)


def evaluate(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """Values of `graph.outputs` for values of `graph.inputs` (a tuple for a tuple type)."""
    env: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))
    order = topological(graph.outputs)
    last = {child: node for node in order for child in node.inputs}
    keep = {*graph.outputs}
    with np.errstate(all="ignore"):
        for node in order:
            if node not in env:
                env[node] = apply_meaning(
                    node.op, [env[child] for child in node.inputs], node.attrs
                )
            for child in {*node.inputs}:
                if last[child] is node and child not in keep:
                    del env[child]
    return [env[node] for node in graph.outputs]


def all_values(graph: Graph, values: Sequence[Any]) -> dict[Node, Any]:
    """The value of every node that the outputs need: `evaluate` frees them on its way."""
    env: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))
    return moved({}, env, topological(graph.outputs))


def moved(
    env: Mapping[Node, Any], changes: Mapping[Node, Any], order: Sequence[Node]
) -> dict[Node, Any]:
    """Values of the nodes in `order` after some inputs changed; all others are those of `env`."""
    new: dict[Node, Any] = dict(changes)
    with np.errstate(all="ignore"):
        for node in order:
            if node not in new:
                ins = [new[n] if n in new else env[n] for n in node.inputs]
                new[node] = apply_meaning(node.op, ins, node.attrs)
    return new
