"""Lifting: the computation of one step of a loop, done for all steps at once.

    x_t @ w                      →   reshape(X, (T·B, K)) @ w
    tanh(x_t + b)                →   tanh(X + broadcast(b))
    Σ_t x_tᵀ @ d_t               →   Xᵀ @ D over the rows of all steps
    Σ_t sum(d_t, axes)           →   sum(D, (0, axes + 1))
    Σ_t scatter_add(d_t, i_t)    →   scatter_add(D, I)

X stacks the x_t along a new first axis; each op's `batch` says what it becomes.
Example: `Lift(b, length, {x: X}, {w: W})(node)`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from chainrule.compiler.shared.access import is_view, virtual
from chainrule.graph.node import INPUT, Node, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops.examples import Examples
from chainrule.ops.gather import scatter_add
from chainrule.ops.layout import reshape, transpose
from chainrule.ops.record import Builder, Contract, IndexMap, Map, Pieces, Reduce, Symbolic
from chainrule.ops.reduce import broadcast_to, sum_

_MOST_AXES = 4  # of a product: two of them batch axes
_DIRECT = (Map, IndexMap, Pieces, Reduce)


def liftable(node: Node, stepped: Collection[Node]) -> bool:
    """Whether a node whose `stepped` operands differ from step to step can be lifted."""
    op = node.op
    if op is INPUT or virtual(node):
        return True
    if isinstance(op.lower, Contract):
        return len(node.shape) < _MOST_AXES
    return isinstance(op.lower, _DIRECT) or _batched_alone(node, stepped)


def _batched_alone(node: Node, stepped: Collection[Node]) -> bool:
    """Whether the op of all steps is that op again, and needs nothing beside it but views."""
    if node.op.batch is None or not isinstance(node.type, Type):
        return False
    flags = [child in stepped for child in node.inputs]
    ins = [
        input_node(Type(n.dtype, (1, *n.shape)) if flag else n.type)
        for n, flag in zip(node.inputs, flags, strict=True)
    ]
    made = _one(node.op.batch(Symbolic(), node, Examples(Symbolic(), ins, flags, 1)))
    return all(n.op in {INPUT, node.op} or is_view(n) for n in topological((made,)))


def _one(found: Node | Sequence[Node]) -> Node:
    return found if isinstance(found, Node) else found[0]


def summable(node: Node) -> bool:
    """Whether the sum over all steps of this node is one contraction, reduction or scatter."""
    return isinstance(node.op.lower, Contract) or node.op is sum_ or node.op is scatter_add


class Lift:
    """Nodes of a body, outside.

    `stacks` are those known with a first axis of steps, `fixed` those that all steps share.
    """

    def __init__(
        self, b: Builder, length: int, stacks: Mapping[Node, Node], fixed: Mapping[Node, Node]
    ) -> None:
        self.b = b
        self.length = length
        self.stacks = dict(stacks)
        self.fixed = dict(fixed)

    def __call__(self, node: Node) -> Node:
        """The stack of a node over all steps."""
        self.reach(node)
        return self._stack(node)

    def total(self, node: Node) -> Node:
        """The sum of a `summable` node, or of a view of one, over all steps."""
        chain = []
        while is_view(node):
            chain.append(node)
            node = node.inputs[0]
        for child in node.inputs:
            self.reach(child)
        out = self._total(node)
        for view in reversed(chain):
            out = self.b(view.op, out, **view.attrs)
        return out

    # -- walking ----------------------------------------------------------------------------------

    def reach(self, node: Node) -> None:
        """Lift everything that `node` needs, inputs first."""
        waiting = [node]
        while waiting:
            n = waiting[-1]
            if n in self.stacks or n in self.fixed:
                waiting.pop()
                continue
            assert n.op is not INPUT, "a body input that is neither a stack nor fixed"
            missing = [c for c in n.inputs if c not in self.stacks and c not in self.fixed]
            if missing:
                waiting.extend(missing)
            elif any(child in self.stacks for child in n.inputs):
                self.stacks[n] = self._lift(n)
            else:
                inputs = [self.fixed[child] for child in n.inputs]
                self.fixed[n] = self.b(n.op, *inputs, **n.attrs)

    def _stack(self, node: Node) -> Node:
        """A known node over all steps; a fixed one is repeated."""
        found = self.stacks.get(node)
        if found is not None:
            return found
        return self.b(broadcast_to, self.fixed[node], shape=(self.length, *node.shape))

    # -- one node ---------------------------------------------------------------------------------

    def _lift(self, node: Node) -> Node:
        mapped = [child in self.stacks for child in node.inputs]
        nodes = [self.stacks.get(child) or self.fixed[child] for child in node.inputs]
        return _one(node.op.batch(self.b, node, Examples(self.b, nodes, mapped, self.length)))

    def _total(self, node: Node) -> Node:
        b, length = self.b, self.length
        if node.op is sum_:
            axes = (0, *(a + 1 for a in node.attrs["axes"]))
            return b(sum_, self._stack(node.inputs[0]), axes=axes)
        if node.op is scatter_add:
            return b(scatter_add, *(self._stack(x) for x in node.inputs), **node.attrs)
        left, right = (self._stack(x) for x in node.inputs)
        batch, (m, k), n = node.shape[:-2], node.inputs[0].shape[-2:], node.shape[-1]
        rank = len(batch)
        axes = (*range(1, rank + 1), rank + 1, 0, rank + 2)
        left = b(reshape, b(transpose, left, axes=axes), shape=(*batch, m, length * k))
        axes = (*range(1, rank + 1), 0, rank + 1, rank + 2)
        right = b(reshape, b(transpose, right, axes=axes), shape=(*batch, length * k, n))
        return b(node.op, left, right)
