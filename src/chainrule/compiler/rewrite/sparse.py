"""Embedding updates touch only the rows that were read.

    w + s·scatter_add(x, i)          →   index_add(w, s·x, i)
    w - s·scatter_add(x, i)          →   index_add(w, -s·x, i)
    scatter_add(x, i) + scatter_add(y, j)   →   scatter_add(concat(x, y), concat(i, j))

for a factor s that is the same everywhere: rows that were not read stay exactly as they are.
`index_add` writes into w itself. Example: `sparse_updates(graph)`.
"""

from __future__ import annotations

from typing import Any

from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.graph.walk import ordered, uses
from chainrule.ops.arithmetic import add, mul, neg, sub
from chainrule.ops.creation import full
from chainrule.ops.gather import index_add, scatter_add
from chainrule.ops.layout import concat, reshape
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to


def sparse_updates(graph: Graph) -> Graph:
    """Rewrite sums of an input and a scaled scatter_add that nothing else reads."""
    users = uses(ordered(graph))

    def once(node: Node) -> bool:
        return len(users.get(node, ())) <= 1

    def updated(node: Node) -> Node | None:
        if node.op not in {add, sub} or len(node.shape) < 1:
            return None
        if node.op is add and all(c.op is scatter_add and once(c) for c in node.inputs):
            return _joined(node, Symbolic(node.source))
        state, change = node.inputs
        if state.op is not INPUT:
            if node.op is sub or change.op is not INPUT:
                return None
            state, change = change, state
        found = _scaled(change, Symbolic(node.source), once)
        if found is None:
            return None
        updates, index = found
        b = Symbolic(node.source)
        if node.op is sub:
            updates = _times(b, updates, b(full, value=-1, dtype=node.dtype, shape=()))
        return b(index_add, state, updates, index)

    return rewrite(graph, updated)


def _joined(node: Node, b: Symbolic) -> Node:
    """One scatter_add for the sum of two, in the order of the sum."""
    parts, rows = [], []
    for child in node.inputs:
        updates, index = child.inputs
        count = index.array.size
        parts.append(b(reshape, updates, shape=(count, *node.shape[1:])))
        rows.append(b(reshape, index, shape=(count,)))
    return b(scatter_add, b(concat, *parts, axis=0), b(concat, *rows, axis=0), rows=node.shape[0])


def _scaled(node: Node, b: Symbolic, once: Any) -> tuple[Node, Node] | None:
    """(updates, index) if the node is a uniformly scaled scatter_add."""
    if node.op is scatter_add and once(node):
        return node.inputs[0], node.inputs[1]
    if node.op is neg and once(node):
        inner = _scaled(node.inputs[0], b, once)
        if inner is None:
            return None
        minus = b(full, value=-1, dtype=node.dtype, shape=())
        return _times(b, inner[0], minus), inner[1]
    if node.op is not mul or not once(node):
        return None
    for x, factor in (node.inputs, node.inputs[::-1]):
        scale = _uniform(factor)
        inner = None if scale is None else _scaled(x, b, once)
        if inner is not None and scale is not None:
            updates, index = inner
            return _times(b, updates, b(reshape, scale, shape=())), index
    return None


def _times(b: Symbolic, x: Node, scale: Node) -> Node:
    """x times a number; the parts of a concat are scaled where they are made."""
    if x.op is concat:
        return b(concat, *(_times(b, part, scale) for part in x.inputs), **x.attrs)
    if x.op is reshape:
        return b(reshape, _times(b, x.inputs[0], scale), **x.attrs)
    return b(mul, x, b(broadcast_to, scale, shape=x.shape))


def _uniform(node: Node) -> Node | None:
    """The single number behind an array that holds the same number everywhere."""
    if node.op is full:
        return Symbolic(node.source)(full, value=node.attrs["value"], dtype=node.dtype, shape=())
    while node.op in {broadcast_to, reshape}:
        node = node.inputs[0]
    return node if node.array.size == 1 else None
