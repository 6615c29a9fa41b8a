"""What an op decomposes into, as a graph of its own, and making a graph's nodes again elsewhere.

Differentiating a decomposition on inputs of its own keeps the work local: neither the walk nor the
gradient wanders into what the real inputs depend on. Imports graph and ops.

Example: `known = dict(zip(graph.inputs, node.inputs))` with `graph = decomposition(node)`; then
`replay(b, graph.outputs, known)` makes the simpler nodes that equal `node`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.graph.walk import topological
from chainrule.ops.record import Builder, Symbolic


def decomposition(node: Node) -> Graph:
    """The graph from `node`'s inputs to its results (one output per result) by `op.decompose`."""
    inputs = tuple(input_node(child.type) for child in node.inputs)
    again = Node(node.op, inputs, node.attrs, node.type, node.source)
    out = node.op.decompose(Symbolic(node.source), again)
    return Graph(inputs, out.inputs if isinstance(node.type, TupleType) else (out,))


def replay(b: Builder, outputs: Sequence[Node | None], known: Mapping[Node, Node]) -> list[Any]:
    """The outputs, made again by `b` from the nodes that are `known` for some; None stays None."""
    made = dict(known)
    for node in topological([n for n in outputs if n is not None], known):
        made[node] = b(node.op, *[made[child] for child in node.inputs], **node.attrs)
    return [None if node is None else made[node] for node in outputs]
