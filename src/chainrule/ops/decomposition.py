"""What an op decomposes into, as a graph of its own, and making a graph's nodes again elsewhere.

Differentiating a decomposition on inputs of its own keeps the work local: neither the walk nor the
gradient wanders into what the real inputs depend on. Imports graph and ops.

Example: `replay(b, decomposition(node), node.inputs)` makes the simpler nodes that equal `node`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.graph.walk import topological
from chainrule.ops.record import Builder, Symbolic


def decomposition(node: Node) -> Graph:
    """The graph from `node`'s inputs to its results (one output per result) by `op.decompose`."""
    inputs = tuple(input_node(child.type) for child in node.inputs)
    again = Node(node.op, inputs, node.attrs, node.type, node.source)
    out = node.op.decompose(Symbolic(node.source), again)
    return Graph(inputs, out.inputs if isinstance(node.type, TupleType) else (out,))


def replay(b: Builder, graph: Graph, inputs: Sequence[Node]) -> list[Node]:
    """The outputs of `graph`, made again by `b` from other inputs."""
    made = dict(zip(graph.inputs, inputs, strict=True))
    for node in topological(graph.outputs):
        if node not in made:
            made[node] = b(node.op, *[made[child] for child in node.inputs], **node.attrs)
    return [made[node] for node in graph.outputs]
