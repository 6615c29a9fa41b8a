"""Which indices a step must check before it commits anything.

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
from typing import NamedTuple

from chainrule.base.shapes import size
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered
from chainrule.ops.creation import iota
from chainrule.ops.gather import gather, pick, scatter_add, unpick
from chainrule.ops.loss import cross_entropy
from chainrule.ops.reduce import broadcast_to
from chainrule.ops.require import require
from chainrule.ops.scatter import ravel_index, scatter


class Bound(NamedTuple):
    """Indices that must lie in low … limit - 1; `reader` is the node that uses them.

    With `finite` they tell whether values are finite: see `rewrite/finite.py`.
    """

    indices: Node
    limit: int
    reader: Node
    low: int = 0
    finite: bool = False


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
    if node.op is gather:
        yield Bound(node.inputs[1], node.inputs[0].shape[0], node)
    elif node.op is require:
        yield Bound(node.inputs[2], 1, node)
    elif node.op is scatter_add:
        yield Bound(node.inputs[1], int(node.attrs["rows"]), node)
    elif node.op is scatter:
        yield Bound(node.inputs[2], node.shape[0], node)
    elif node.op in {pick, cross_entropy}:
        yield Bound(node.inputs[1], node.inputs[0].shape[-1], node)
    elif node.op is unpick:
        yield Bound(node.inputs[1], int(node.attrs["classes"]), node)
    elif node.op is ravel_index:
        for index, n in zip(node.inputs, node.attrs["sizes"], strict=True):
            yield Bound(index, n, node, -n if node.attrs["wrap"] else 0)


def _fits(bound: Bound) -> bool:
    """Whether the indices keep the range by the way they are made."""
    node = bound.indices
    while node.op is not INPUT and ("index-map" in node.op.traits or node.op is broadcast_to):
        node = node.inputs[0]
    if node.op is ravel_index:
        return size(node.attrs["sizes"]) <= bound.limit
    return node.op is iota and node.shape[node.attrs["axis"]] <= bound.limit
