"""An op on operands of given types: what eager execution needs to know of it, worked out once.

A program calls the same ops on the same types again and again. The first call infers the result's
type and checks the operands; the first gradient asks the op's rule for its graph and composes it to
one function of arrays. Later calls find both in a table. Example:

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
from chainrule.graph.node import AnyType, Attrs, Node, TupleType, input_node
from chainrule.ops.compose import Composed, compose
from chainrule.ops.record import OUT, Made, Op, Symbolic

_MOST = 2048  # calls of an op that are kept; then all are forgotten


class Call:
    """One op on operands of given types, with given attributes."""

    __slots__ = (
        "attrs", "compute", "keep", "op", "rules", "saves", "single", "smooth", "type", "types"
    )  # fmt: skip

    def __init__(self, op: Op, types: tuple[AnyType, ...], attrs: Attrs) -> None:
        """Infers the result's type: raises where the op refuses the operands."""
        self.op, self.types, self.attrs = op, types, attrs
        self.type = kind = op.infer(types, attrs)
        meaning = op.numpy
        self.compute: Callable[..., Any] = (
            meaning.make(attrs) if type(meaning) is Made else lambda *values: meaning(values, attrs)
        )
        # whether a gradient can pass: of several results those of integers are left out later
        self.smooth = isinstance(kind, TupleType) or kind.dtype.kind == "float"
        # whether NumPy may give a number, for an array without axes
        self.single = not isinstance(kind, TupleType) and not kind.shape
        self.saves = (*range(len(types)), OUT) if op.saves is None else op.saves
        self.keep = _keeping(self.saves)
        self.rules: dict[Any, Composed] = {}

    def rule(self, node: Node, wanted: tuple[bool, ...], ct: Any) -> Composed:
        """The function (cotangents that arrived…, values of `saves`…) → gradients of the inputs.

        Those that are not `wanted` are None, and not computed. `node` is one that asks.
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
    """From (operands…, result) what the rule reads; the result's number is -1."""
    if len(saves) == 1:
        only = saves[0]
        return lambda values: (values[only],)
    return itemgetter(*saves) if saves else lambda values: ()  # noqa: ARG005 - as the others


def call_for(op: Op, types: tuple[AnyType, ...], attrs: Attrs) -> Call:
    """A new call, kept in `op.prepared` by (*types, *attrs.items()).

    By the type alone one finds the last call of one operand of that type; or, of an op that takes
    more and no attributes, that of operands which all have this type. Not
    kept: what has no operands (its attributes are values, and -0.0 is not 0.0), and loops and
    calls of graphs, which differ each time.
    """
    made = Call(op, types, attrs)
    if types and "control" not in op.traits:
        table = op.prepared
        if len(table) >= _MOST:
            table.clear()
        table[*types, *attrs.items()] = made
        if len(types) == 1 or (not attrs and all(t == types[0] for t in types)):
            table[types[0]] = made
    return made
