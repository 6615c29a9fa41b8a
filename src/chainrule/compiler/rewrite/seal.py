"""Results get arrays of their own.

    out = view(x), an input, a constant, or the same node twice   →   out = copy

Example: `seal(graph, count)`.
"""

from __future__ import annotations

from chainrule.compiler.shared.access import is_view, virtual
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.ops.creation import detach
from chainrule.ops.record import Symbolic


def seal(graph: Graph, count: int) -> Graph:
    """Give each of the first `count` outputs an array of its own."""
    seen: set[Node] = set()
    outs = []
    for i, node in enumerate(graph.outputs):
        if i < count and (_borrowed(node) or node in seen):
            node = Symbolic(node.source)(detach, node)  # noqa: PLW2901 - sealed
        seen.add(node)
        outs.append(node)
    return Graph(graph.inputs, tuple(outs))


def _borrowed(node: Node) -> bool:
    if node.op is INPUT or virtual(node) or is_view(node):
        return True
    # A loop may still read what it hands out; other ops write their results where they belong
    return "projection" in node.op.traits and "control" in node.inputs[0].op.traits
