"""The operands of an op that is done for many examples at once, and what its `batch` makes of them.

    given.stacked()  every operand with the axis of examples in front, a shared one broadcast
    given.rows(i, n)  index i[e, …] of example e into n rows  →  e·n + i[e, …] into the rows of all

Imports ops. Example: `op.batch(b, node, Examples(b, ins, mapped, size))`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.base import dtypes
from chainrule.base.shapes import Shape
from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.ops.control import items
from chainrule.ops.creation import iota
from chainrule.ops.layout import reshape, transpose
from chainrule.ops.record import Builder, Symbolic
from chainrule.ops.reduce import broadcast_to
from chainrule.ops.scan import scan
from chainrule.ops.scatter import ravel_index


class Examples:
    """The operands `nodes` of one op; those that are `mapped` have `size` examples in front.

    The others are shared by all examples. New nodes are made by `b`.
    """

    def __init__(
        self, b: Builder, nodes: Sequence[Node], mapped: Sequence[bool], size: int
    ) -> None:
        self.b, self.size = b, size
        self.nodes, self.mapped = tuple(nodes), tuple(mapped)

    def stacked(self) -> list[Node]:
        """Every operand with the axis of examples; a shared one is broadcast."""
        pairs = zip(self.nodes, self.mapped, strict=True)
        return [x if mapped else self.repeated(x) for x, mapped in pairs]

    def repeated(self, x: Node) -> Node:
        """A shared node with the axis of examples."""
        return self.b(broadcast_to, x, shape=(self.size, *x.shape))

    def merged(self, x: Node) -> Node:
        """(size, n, …) as (size·n, …)."""
        return self.b(reshape, x, shape=(self.size * x.shape[1], *x.shape[2:]))

    def divided(self, x: Node, shape: Shape) -> Node:
        """Results of the given shape for each example, from what has all of them in a row."""
        return self.b(reshape, x, shape=(self.size, *shape))

    def rows(self, index: Node, n: int) -> Node:
        """Indices into the n rows of each example, as checked indices into all size·n rows."""
        example = self.b(iota, dtype=dtypes.int64, shape=index.shape, axis=0)
        return self.b(ravel_index, example, index, sizes=(self.size, n), wrap=False)

    def items(self, node: Node) -> list[Node]:
        """Each result of a node with several."""
        return items(self.b, node)

    def steps(self, x: Node) -> Node:
        """Exchange the axis of examples and the one behind it."""
        return self.b(transpose, x, axes=(1, 0, *range(2, len(x.shape))))

    def looped(self, node: Node) -> Sequence[Node]:
        """The op for one example after the other: a `scan` over the operands that are mapped."""
        inputs = tuple([input_node(child.type) for child in node.inputs])
        inner = Symbolic(node.source)
        one = inner(node.op, *inputs, **node.attrs)
        outs = items(inner, one) if isinstance(node.type, TupleType) else [one]
        order = sorted(range(len(inputs)), key=lambda i: not self.mapped[i])
        body = Graph(tuple([inputs[i] for i in order]), tuple(outs))
        loop = self.b(
            scan,
            *[self.nodes[i] for i in order],
            graph=body,
            carries=0,
            xs=sum(self.mapped),
            length=self.size,
            reverse=False,
            history=False,
        )
        return self.items(loop)
