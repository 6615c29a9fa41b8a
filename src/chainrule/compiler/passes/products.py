"""Transposes of products move to their operands, where they cost nothing.

    (a @ b)ᵀ   →   bᵀ @ aᵀ

The gradient of a linear layer's weight then comes out in the weight's own layout.
Example: `transpose_products(graph)`.
"""

from __future__ import annotations

from chainrule.graph.node import Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.ops.contract import matmul, swap
from chainrule.ops.layout import transpose
from chainrule.ops.record import Symbolic


def transpose_products(graph: Graph) -> Graph:
    """Rewrite every transpose of the matrix axes of a product."""
    return rewrite(graph, _rule)


def _rule(node: Node) -> Node | None:
    if node.op is not transpose or node.inputs[0].op is not matmul:
        return None
    rank = len(node.shape)
    if node.attrs["axes"] != (*range(rank - 2), rank - 1, rank - 2):
        return None
    left, right = node.inputs[0].inputs
    b = Symbolic(node.source)
    return b(matmul, swap(b, right), swap(b, left))
