"""Which indices a step must check before it commits anything.

    gather(table, i), scatter_add(x, i; rows), pick(x, i)   →   0 ≤ i < limit

Found before `pick` expands, and carried through the other passes as extra outputs.
Example: `bounds(graph)` → [(index node, limit, what it indexes)].
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.select import gather, pick, scatter_add, unpick


class Bound(NamedTuple):
    """Indices that must lie in 0 … limit - 1; `reader` is the node that uses them."""

    indices: Node
    limit: int
    reader: Node


def bounds(graph: Graph) -> list[Bound]:
    """All index bounds of a graph, each index and limit once."""
    found: dict[tuple[Node, int], Bound] = {}
    for node in topological(graph.outputs):
        limit = _limit(node)
        if limit is not None and node.inputs[1].array.size:
            index = node.inputs[1]
            found.setdefault((index, limit), Bound(index, limit, node))
    return list(found.values())


def _limit(node: Node) -> int | None:
    if node.op is gather:
        return node.inputs[0].shape[0]
    if node.op is scatter_add:
        return int(node.attrs["rows"])
    if node.op is pick:
        return node.inputs[0].shape[-1]
    if node.op is unpick:
        return int(node.attrs["classes"])
    return None
