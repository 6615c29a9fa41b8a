"""The indices that a step checks before it commits anything.

    gather(table, i), scatter_add(x, i; rows), pick(x, i), …   →   0 ≤ i < limit
    ravel_index(i, …; sizes, wrap=True)                        →   -n ≤ i < n
    require(x, seen, faults)                              →   0 ≤ fault < 1
    an index that iota or ravel_index made inside the range    →   nothing

Found before `pick` and `cross_entropy` are decomposed, and carried through the other passes as
extra outputs.
Example: `bounds(graph)` → [(index node, limit, what it indexes)].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chainrule.compiler.shared.access import is_view
from chainrule.compiler.shared.captured import Bound
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered


def bounds(graph: Graph) -> list[Bound]:
    """All index bounds of a graph, each index and limit once."""
    found = [
        bound
        for node in ordered(graph)
        for bound in _limits(node)
        if bound.indices.array.size and not _fits(bound)
    ]
    return distinct(found)


def distinct(found: Iterable[Bound]) -> list[Bound]:
    """Each index and range once, with its first reader."""
    kept: dict[tuple[Node, int, int], Bound] = {}
    for bound in found:
        kept.setdefault((bound.indices, bound.low, bound.limit), bound)
    return list(kept.values())


def _limits(node: Node) -> Iterator[Bound]:
    if node.op is not INPUT and node.op.limits is not None:
        for limit in node.op.limits(tuple([n.type for n in node.inputs]), node.attrs):
            yield Bound(node.inputs[limit.input], limit.stop, node, limit.low)


def _fits(bound: Bound) -> bool:
    """Whether the op that made the indices promises the range."""
    node = bound.indices
    while is_view(node):
        node = node.inputs[0]
    below = None if node.op is INPUT else node.op.below
    return below is not None and below(node.attrs) <= bound.limit
