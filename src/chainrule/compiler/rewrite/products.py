"""Transposes of products move to their operands, where they cost nothing.

    (a @ b)ᵀ   →   bᵀ @ aᵀ

The gradient of a linear layer's weight then comes out in the weight's own layout.
A rewrite of `normalize_reductions`. Example: `rewrite(graph, transposed_product)`.
"""

from __future__ import annotations

from chainrule.graph.node import Node
from chainrule.ops.layout import transpose
from chainrule.ops.products import matmul, swap
from chainrule.ops.record import Symbolic


def transposed_product(node: Node) -> Node | None:
    """A transpose of the matrix axes of a product as a product."""
    if node.op is not transpose or node.inputs[0].op is not matmul:
        return None
    rank = len(node.shape)
    if node.attrs["axes"] != (*range(rank - 2), rank - 1, rank - 2):
        return None
    left, right = node.inputs[0].inputs
    b = Symbolic(node.source)
    return b(matmul, swap(b, right), swap(b, left))
