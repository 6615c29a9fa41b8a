"""Prepared calls: an op on operands of given types, analysed once for eager execution.

A program calls the same ops on the same types many times. The first call infers the result's type
and checks the operands; the first gradient composes the graph of the op's vjp to one function of
arrays. Later calls find both in a table. Example:

    call = call_for(tanh, (float32[4, 4],), {})
    call.compute(x)                              # np.tanh
    call.rule(node, (True,), ct)(ct, x)          # (∂/∂x,): upstream × local

May import ops and grad.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from chainrule.base.source import Source
from chainrule.grad.reverse import local_rule
from chainrule.graph.node import AnyType, Attrs, Graph, Node, TupleType, input_node
from chainrule.ops.compose import Composed, compose
from chainrule.ops.record import OUT, Made, Op, Symbolic

_MOST = 2048  # calls kept for an op; at the limit all are dropped
_MOST_BODIES = 256  # of an op that has a graph as an attribute, and its functions with it


class Call:
    """One op on operands of given types, with given attributes."""

    __slots__ = (
        "attrs", "compute", "keep", "op", "rules", "saves", "single", "smooth", "type", "types"
    )  # fmt: skip

    def __init__(self, op: Op, types: tuple[AnyType, ...], attrs: Attrs) -> None:
        """Infer the result's type; raises for operands that the op refuses."""
        self.op, self.types, self.attrs = op, types, attrs
        self.type = kind = op.infer(types, attrs)
        meaning = op.numpy
        self.compute: Callable[..., Any] = (
            meaning.make(attrs) if type(meaning) is Made else lambda *values: meaning(values, attrs)
        )
        # whether a gradient can pass; integers among several results are left out later
        self.smooth = isinstance(kind, TupleType) or kind.dtype.kind == "float"
        # whether NumPy may return a number instead of a 0-d array
        self.single = not isinstance(kind, TupleType) and not kind.shape
        self.saves = (*range(len(types)), OUT) if op.saves is None else op.saves
        self.keep = _keeping(self.saves)
        self.rules: dict[Any, Composed] = {}

    def rule(self, node: Node, wanted: tuple[bool, ...], ct: Any) -> Composed:
        """The function (cotangents…, values of `saves`…) → gradients of the inputs.

        Only gradients that are `wanted` are computed, the others are None; `node` is any such node.
        """
        several = type(ct) is list
        key = (wanted, tuple([c is None for c in ct])) if several else wanted
        found = self.rules.get(key)
        if found is None:
            found = self.rules[key] = self._rule(node.source, wanted, ct if several else None)
        return found

    def _rule(
        self, source: Source | None, wanted: tuple[bool, ...], cts: list[Any] | None
    ) -> Composed:
        ins = tuple([input_node(t) for t in self.types])
        node = Node(self.op, ins, self.attrs, self.type, source)
        if cts is None:
            given: Any = input_node(self.type)
            arrived: list[Node] = [given]
        else:
            assert isinstance(self.type, TupleType)
            given = [
                None if c is None else input_node(t)
                for c, t in zip(cts, self.type.items, strict=True)
            ]
            arrived = [n for n in given if n is not None]
        parts = local_rule(Symbolic(), node, given)
        outputs = [part if want else None for part, want in zip(parts, wanted, strict=True)]
        kept = [node if i == OUT else ins[i] for i in self.saves]
        return compose((*arrived, *kept), outputs)


def _keeping(saves: tuple[int, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """The values that the vjp reads, from (operands…, result); the result's number is -1."""
    if len(saves) == 1:
        only = saves[0]
        return lambda values: (values[only],)
    return itemgetter(*saves) if saves else lambda values: ()  # noqa: ARG005 - the others' signature


def call_for(op: Op, types: tuple[AnyType, ...], attrs: Attrs) -> Call:
    """A new call, kept in `op.prepared` by (*types, *attrs.items()).

    The key of a single type finds the last call on one operand of that type or, for an op of
    several operands without attributes, on operands that all have it. Not kept: ops without
    operands (their attributes are values, and -0.0 equals 0.0), and calls of graphs that are not
    interned (another call has another graph).
    """
    made = Call(op, types, attrs)
    graphs = [a for a in attrs.values() if type(a) is Graph]
    if types and all(graph.interned for graph in graphs):
        table = op.prepared
        if len(table) >= (_MOST_BODIES if graphs else _MOST):
            table.clear()
        table[*types, *attrs.items()] = made
        if len(types) == 1 or (not attrs and all(t == types[0] for t in types)):
            table[types[0]] = made
    return made
