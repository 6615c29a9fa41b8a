"""Results that are cheaper to compute again than to write: what is kept instead of them.

The gradient of an embedding is a large matrix made of a few rows. A program that never reads it
should not pay for it: the rows are kept, and the matrix is computed from them if it is read.

    g = scatter_add(rows, indices)   alive   →   rows, indices kept;  g = tail(rows, indices)

Example: `tail_of(g, states)` is a graph from `rows` and `indices` to `g`, or None.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from chainrule.graph.node import INPUT, Graph, Node, TupleType, input_node
from chainrule.graph.walk import substitute

_LEAST_BYTES = 1 << 16  # of a result, below which it is simply written
_TIMES = 4  # so many times smaller is what it is computed from
_DEPTH = 4  # operations, one after the other


class Cut(NamedTuple):
    """The nodes that are kept, and the graph from their values to the result."""

    kept: tuple[Node, ...]
    graph: Graph


def tail_of(node: Node, states: Collection[Node]) -> Cut | None:
    """The last part of the computation of `node`, from little memory; None if there is none.

    Inputs of the whole graph can be kept as they are, but not `states`, which are overwritten.
    """
    if node.op is INPUT or isinstance(node.type, TupleType) or node.type.nbytes < _LEAST_BYTES:
        return None
    cut: dict[Node, None] = {}
    if _TIMES * _cost(node, states, _DEPTH, cut) > node.type.nbytes:
        return None
    if sum([child.array.nbytes for child in cut]) > node.type.nbytes:
        return None  # the program may drop what would be kept
    inputs = {child: input_node(child.type) for child in cut}
    graph = Graph(tuple(inputs.values()), tuple(substitute((node,), inputs)))
    return Cut(tuple(cut), graph)


def _cost(node: Node, states: Collection[Node], depth: int, cut: dict[Node, None]) -> float:
    """Bytes to be written so that `node` can be computed; `cut` gets what is kept for it."""
    if isinstance(node.type, TupleType) or "control" in node.op.traits:
        return float("inf")
    own: dict[Node, None] = {}
    total = 0.0
    for child in node.inputs:
        if child.op is INPUT:
            below: dict[Node, None] = {child: None}
            total += float("inf") if child in states else 0
        else:
            below, whole = {}, float(getattr(child.type, "nbytes", float("inf")))
            part = _cost(child, states, depth - 1, below) if depth else float("inf")
            if whole <= part:
                below, part = {child: None}, whole
            total += part
        own |= below
    cut |= own
    return total
