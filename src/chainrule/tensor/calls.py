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

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from chainrule.grad.reverse import local_rule
from chainrule.graph.node import INPUT, AnyType, Attrs, Graph, Node, TupleType, input_node
from chainrule.graph.walk import ordered
from chainrule.ops.compose import Composed, compose
from chainrule.ops.record import OUT, IndexMap, Made, Op, Symbolic
from chainrule.tensor.large import Job, counted, size_of
from chainrule.tensor.modes import modes

_MOST = 2048  # calls kept for an op; at the limit all are dropped
_MOST_DATA = 1 << 15  # integers that are computed at once where all operands are known
_MOST_BODIES = 512  # of an op that has a graph as an attribute, and its functions with it


class Call:
    """One op on operands of given types, with given attributes."""

    __slots__ = (
        "attrs", "checks", "compute", "data", "deferrable", "keep", "op", "parts", "piece", "rules",
        "saves", "single", "size", "smooth", "type", "types",
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
        self.parts = kind.items if isinstance(kind, TupleType) else None
        # whether it may be recorded, and compiled later
        compiled = op.lower is not None or op.decompose is not None or "control" in op.traits
        self.deferrable = bool(types) and compiled
        # whether it refuses indices that are out of range
        self.checks = _checks(op, attrs)
        # whether it is part of an array, which NumPy shows without a copy
        self.piece = isinstance(op.lower, IndexMap) and _size((kind,)) < _size(types)
        # whether it computes integers from few integers: words, lengths, labels
        self.data = "random" not in op.traits and all(map(_few_integers, (*types, kind)))
        self.saves = (*range(len(types)), OUT) if op.saves is None else op.saves
        self.keep = _keeping(self.saves)
        self.rules: dict[Any, Composed] = {}
        self.size = size_of(op, types, kind, self.compute)
        if self.size:
            self.compute = counted(Job(self, self.compute, partial(setattr, self, "compute")))

    def rule(self, node: Node, wanted: tuple[bool, ...], ct: Any) -> Composed:
        """The function (cotangents…, values of `saves`…) → gradients of the inputs.

        Only gradients that are `wanted` are computed, the others are None; `node` is any such node.
        """
        several = type(ct) is list
        absent = tuple([c is None for c in ct]) if several else None
        key = (wanted, absent) if several else wanted
        found = self.rules.get(key)
        if found is None:
            inputs, outputs = rule_graph(node, self.saves, wanted, absent)
            found = compose(inputs, outputs)
            if self.size:
                job = Job(self, found, partial(self.rules.__setitem__, key), wanted, absent)
                found = counted(job)
            self.rules[key] = found
        return found


def _few_integers(kind: AnyType) -> bool:
    return (
        not isinstance(kind, TupleType) and kind.dtype.kind != "float" and kind.size <= _MOST_DATA
    )


def _size(types: tuple[AnyType, ...]) -> int:
    """The elements of all operands that are arrays."""
    return sum([t.size for t in types if not isinstance(t, TupleType)])


def _checks(op: Op, attrs: Attrs) -> bool:
    """Whether the op has limits, or one of those in its graphs."""
    if op.limits is not None:
        return True
    graphs = [a for a in attrs.values() if type(a) is Graph]
    return any(n.op is not INPUT and _checks(n.op, n.attrs) for g in graphs for n in ordered(g))


def rule_graph(
    node: Node, saves: tuple[int, ...], wanted: tuple[bool, ...], absent: tuple[bool, ...] | None
) -> tuple[tuple[Node, ...], list[Node | None]]:
    """The vjp of one node: inputs (cotangents…, values of `saves`…), gradients of its operands."""
    ins = tuple([input_node(child.type) for child in node.inputs])
    node = Node(node.op, ins, node.attrs, node.type, node.source)
    if absent is None:
        given: Any = input_node(node.type)
        arrived: list[Node] = [given]
    else:
        given = [
            None if none else input_node(t) for none, t in zip(absent, node.results, strict=True)
        ]
        arrived = [n for n in given if n is not None]
    parts = local_rule(Symbolic(), node, given)
    outputs = [part if want else None for part, want in zip(parts, wanted, strict=True)]
    return (*arrived, *[node if i == OUT else ins[i] for i in saves]), outputs


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


def inside_another(error: RuntimeError, call: Call, values: Sequence[Any]) -> Any:
    """The value while another op is being evaluated, for a debugger or a finalizer."""
    if "cannot enter context" not in str(error):
        raise error
    with np.errstate(all="ignore"):
        return call.compute(*values)


def computed(call: Any, values: Sequence[Any]) -> Any:
    """The result of a call on arrays, without NumPy's warnings."""
    try:
        made = modes.quietly(call.compute, *values)
    except RuntimeError as error:
        made = inside_another(error, call, values)
    return np.asarray(made) if call.single else made
