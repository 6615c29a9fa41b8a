"""The gradient of a tape that is new, recorded rule by rule.

Where tapes do not repeat – a loop of another length each time – there is no gradient to derive once
(`gradient.py`). Each node's vjp is one recorded call then, so that forward, backward and update are
one batch, which is evaluated in parts (`parts.py`).
Example: `by_rules(tape, seeds, retain=False)` are the targets' gradients, pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, AnyType, Graph, Node, TupleType, input_node
from chainrule.graph.walk import substitute, topological
from chainrule.ops.control import project
from chainrule.ops.record import Op
from chainrule.tensor.calls import Call, call_for, rule_graph
from chainrule.tensor.deferred import parts
from chainrule.tensor.deferred.gradient import Tape
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.deferred.stages import Block
from chainrule.tensor.dispatch import fresh
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import RELEASED, Recorded, Value, release, type_of

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_NEW = 4  # tapes after a mark that were new, less known ones, before they are recorded so
_NEW_BATCHES = 16  # batches that are not known, after which they are not
_MOST = 4096  # rules


class Pull:
    """The vjp of a call as a block: which values it reads, and which operands get its results."""

    __slots__ = ("block", "gets", "reads")

    def __init__(self, node: Node, call: Call, wanted: tuple[bool, ...], ct: Any) -> None:
        """Derive the rule of `node` for these cotangents (of several results, some are None)."""
        absent = tuple([c is None for c in ct]) if type(ct) is list else None
        inputs, outputs = rule_graph(node, call.saves, wanted, absent)
        made = list(dict.fromkeys([n for n in outputs if n is not None]))
        self.gets = [None if n is None else made.index(n) for n in outputs]
        first = len(inputs) - len(call.saves)
        # what the rule reads: the position among cotangents and saved values, of several a part
        self.reads: list[tuple[int, int | None]] = []
        taken: dict[Node, Node] = {}
        order = topological(made)
        for position, node_in in enumerate(inputs):
            if position < first or not isinstance(node_in.type, TupleType):
                if position < first or node_in in order:
                    taken[node_in] = input_node(node_in.type)
                    self.reads.append((position, None))
                continue
            for one in order:
                if one.op is project and one.inputs[0] is node_in:
                    taken[one] = input_node(one.type)
                    self.reads.append((position, one.attrs["index"]))
        self.block = Block(Graph(tuple(taken.values()), tuple(substitute(made, taken))))


_known: dict[tuple[Any, ...], Pull] = {}


class _Rules:
    """The builder of the walk: gradients are values, pending or arrays."""

    def __call__(self, op: Op, /, *values: Value, **attrs: Any) -> Value:
        """Where two cotangents meet: their sum."""
        types = tuple([v.type if type(v) is Pending else type_of(v) for v in values])
        call = op.prepared.get((*types, *attrs.items())) or call_for(op, types, attrs)
        return modes.recorder.record(call, values)  # type: ignore[union-attr]

    def visit(self, node: Node) -> None:
        """Nothing: `rule` reads what a node has saved."""

    def rule(self, node: Any, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Value | None]:
        """The gradients of a node's operands, recorded."""
        absent = tuple([c is None for c in ct]) if type(ct) is list else None
        key = (node.call, wanted, absent)
        pull = _known.get(key)
        if pull is None:
            if len(_known) >= _MOST:
                _known.clear()
            pull = _known[key] = Pull(node, node.call, wanted, ct)
        arrived = [ct] if absent is None else [c for c in ct if c is not None]
        given = (*arrived, *node.saved)
        values = [given[i] if part is None else given[i][part] for i, part in pull.reads]
        made = modes.recorder.record(pull.block, tuple(values))  # type: ignore[union-attr]
        return [None if i is None else made[i] for i in pull.gets]


def _size(kind: AnyType) -> int:
    return sum(map(_size, kind.items)) if isinstance(kind, TupleType) else kind.size


def by_rules(tape: Tape, seeds: Sequence[Tensor], *, retain: bool) -> list[Tensor | None] | None:
    """The targets' gradients, pending; None if the walk has to be evaluated.

    Small operations are: see `parts.LEAST_SIZE`.
    """
    recorder = modes.recorder
    assert recorder is not None
    site = recorder.site
    site.tapes = min(site.tapes + 1, 2 * _NEW)
    if site.tapes <= _NEW or site.new >= _NEW_BATCHES or modes.anomaly:
        return None
    size = 0
    for node in tape.order:
        if type(node) is not Recorded or node.saved is RELEASED:
            return None
        size += _size(node.type)
        if node.call is None and node.op is not INPUT and node.op is not project:
            return None
    if size < parts.LEAST_SIZE * len(tape.order):
        return None
    for seed in seeds:
        seed._ready("backward()")
    b: Any = _Rules()
    cotangents: Any = [seed._value for seed in seeds]
    found: Any = differentiate(
        b, tape.roots, cotangents, tape.targets, order=tape.order, rule=b.rule
    )
    if not retain:
        release(tape.order)
    types = [target.type for target in tape.targets]
    return [
        None if value is None else fresh(value, kind, None)
        for value, kind in zip(found, types, strict=True)
    ]
