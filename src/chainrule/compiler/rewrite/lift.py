"""Lifting: the computation of one step of a loop, done for all steps at once.

    x_t @ w                      →   reshape(X, (T·B, K)) @ w
    tanh(x_t + b)                →   tanh(X + broadcast(b))
    Σ_t x_tᵀ @ d_t               →   Xᵀ @ D over the rows of all steps
    Σ_t sum(d_t, axes)           →   sum(D, (0, axes + 1))
    Σ_t scatter_add(d_t, i_t)    →   scatter_add(D, I)

X stacks the x_t along a new first axis. Example: `Lift(b, length, {x: X}, {w: W})(node)`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from chainrule.compiler.shared.access import is_view, virtual
from chainrule.graph.node import INPUT, Node
from chainrule.ops.gather import gather, scatter_add
from chainrule.ops.layout import concat, pad, reshape, slice_, transpose
from chainrule.ops.record import Builder, Contract, Reduce
from chainrule.ops.reduce import broadcast_to, sum_

_MOST_AXES = 4  # of a product: two of them batch axes
_PIECES = frozenset({slice_, pad})


def liftable(node: Node, stepped: Collection[Node]) -> bool:
    """Whether a node whose `stepped` operands differ from step to step can be lifted."""
    op = node.op
    if op is INPUT or virtual(node):
        return True
    if op is gather:
        return node.inputs[0] not in stepped
    if isinstance(op.lower, Contract):
        return len(node.shape) < _MOST_AXES
    known = op in {reshape, transpose, broadcast_to, concat, *_PIECES}
    return known or "elementwise" in op.traits or _reduces(node)


def _reduces(node: Node) -> bool:
    return isinstance(node.op.lower, Reduce) and "axes" in node.attrs


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
        b, op, attrs = self.b, node.op, node.attrs
        if isinstance(op.lower, Contract):
            return self._product(node)
        if op is gather:
            return b(gather, self.fixed[node.inputs[0]], self._stack(node.inputs[1]))
        ins = [self._stack(child) for child in node.inputs]
        if op is broadcast_to:
            return self._broadcast(node, ins[0])
        return b(op, *ins, **self._attrs(node, dict(attrs)))

    def _attrs(self, node: Node, attrs: dict[str, Any]) -> dict[str, Any]:
        """Attributes that number axes, with one axis more in front."""
        op, length = node.op, self.length
        if op is reshape:
            attrs["shape"] = (length, *attrs["shape"])
        elif op is transpose:
            attrs["axes"] = (0, *(a + 1 for a in attrs["axes"]))
        elif op in _PIECES:
            attrs["start"], attrs["step"] = (0, *attrs["start"]), (1, *attrs["step"])
            attrs["shape"] = (length, *attrs["shape"])
        elif op is concat:
            attrs["axis"] += 1
        elif _reduces(node):
            attrs["axes"] = tuple(a + 1 for a in attrs["axes"])
        return attrs

    def _broadcast(self, node: Node, x: Node) -> Node:
        """New leading axes come behind that of the steps."""
        lead = len(node.shape) - len(node.inputs[0].shape)
        wide = self.b(reshape, x, shape=(self.length, *(1,) * lead, *node.inputs[0].shape))
        return self.b(broadcast_to, wide, shape=(self.length, *node.shape))

    def _product(self, node: Node) -> Node:
        b, (left, right) = self.b, node.inputs
        if len(node.shape) == 2 and right in self.fixed:
            rows, depth = left.shape
            flat = b(reshape, self.stacks[left], shape=(self.length * rows, depth))
            out = b(node.op, flat, self.fixed[right])
            return b(reshape, out, shape=(self.length, *node.shape))
        return b(node.op, self._stack(left), self._stack(right))

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
