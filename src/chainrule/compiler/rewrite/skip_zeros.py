"""Products skip the zeros of an operand that is nearly all zeros.

    matmul(g · (x = amax x), b)   →   sparse_matmul(g · (x = amax x), b)

The gradient of a maximum over many elements is zero except at the winners; so is that of a choice
by index. Products with such an array, selections and renumberings of it are as sparse. An infinity
or NaN in a row of b that only zeros multiply has no effect then. Example: `skip_zeros(graph)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.base import shapes
from chainrule.compiler.shared.access import is_filled, is_view
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.graph.walk import ordered
from chainrule.ops.arithmetic import div, mul, neg
from chainrule.ops.cast import cast
from chainrule.ops.comparison import eq, logical_and, where
from chainrule.ops.creation import iota
from chainrule.ops.layout import pad, reshape
from chainrule.ops.products import matmul, sparse_matmul, swap
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import amax, amin, broadcast_to

_FEW = 16  # one in so many is not zero, or fewer
_WIDE = 32  # columns of the other operand from which skipping pays
_WORK = 1 << 20  # multiplications of the product


def skip_zeros(graph: Graph) -> Graph:
    """Rewrite the products of which one operand is known to be nearly all zeros."""
    if not any(node.op is matmul for node in ordered(graph)):
        return graph
    known: dict[Node, bool] = {}

    def skipping(node: Node) -> Node | None:
        if node.op is not matmul or shapes.size(node.shape[:-2]) != 1:
            return None
        left, right = node.inputs
        if node.array.size * left.shape[-1] < _WORK:
            return None
        b = Symbolic(node.source)
        flat = [b(reshape, x, shape=x.shape[-2:]) for x in node.inputs]
        if node.shape[-1] >= _WIDE and is_sparse(left, known):
            return b(reshape, b(sparse_matmul, *flat), shape=node.shape)
        if node.shape[-2] >= _WIDE and is_sparse(right, known):
            turned = b(sparse_matmul, swap(b, flat[1]), swap(b, flat[0]))
            return b(reshape, swap(b, turned), shape=node.shape)
        return None

    return rewrite(graph, skipping)


def is_sparse(node: Node, known: dict[Node, bool] | None = None) -> bool:
    """Whether hardly any element of a node differs from zero (or is true)."""
    known = {} if known is None else known
    pending = [node]
    while pending:  # inputs first, without recursion
        top = pending[-1]
        waiting = [c for c in top.inputs if c not in known] if _spreads(top) else []
        if waiting and top not in known:
            pending += waiting
            continue
        known.setdefault(pending.pop(), _sparse(top, known))
    return known[node]


def _spreads(node: Node) -> bool:
    """Whether the zeros of a node follow from those of its operands."""
    return node.op in {mul, div, neg, cast, where, logical_and, pad} or (
        is_view(node) and node.op is not broadcast_to
    )


def _sparse(node: Node, known: Mapping[Node, bool]) -> bool:
    if node.op is INPUT:
        return False
    if node.op is eq:
        return _is_choice(node)
    if not _spreads(node):
        return False
    if node.op in {mul, logical_and}:
        return any(known[c] for c in node.inputs)
    if node.op is where:
        return _chosen(node, known)
    return known[node.inputs[0]]


def _chosen(node: Node, known: Mapping[Node, bool]) -> bool:
    choice, x, y = node.inputs
    if known[choice] and is_filled(y, 0):
        return True
    return (
        (known[x] or known[y]) and (known[x] or is_filled(x, 0)) and (known[y] or is_filled(y, 0))
    )


def _is_choice(node: Node) -> bool:
    """Whether equality marks the winners of a maximum, or one place of many."""
    for x, y in (node.inputs, node.inputs[::-1]):
        source = y
        while is_view(source):
            source = source.inputs[0]
        if source.op in {amax, amin} and source.inputs[0] is x:
            return x.array.size >= _FEW * max(source.array.size, 1)
        if x.op is iota and is_view(y):
            return x.array.size >= _FEW * max(source.array.size, 1)
    return False
