"""The body of a small recurrent network, as a graph. Example: `cell()` of (h, x, w)."""

from __future__ import annotations

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic


def nodes(*shapes: tuple[int, ...]) -> tuple[Node, ...]:
    return tuple(input_node(Type(dtypes.float64, s)) for s in shapes)


def cell() -> Graph:
    """(h, x, w) → (tanh(h @ w + x), the same)."""
    h, x, w = nodes((2, 3), (2, 3), (3, 3))
    b = Symbolic()
    new = b(TABLE["tanh"], b(TABLE["add"], b(TABLE["matmul"], h, w), x))
    return Graph((h, x, w), (new, new))
