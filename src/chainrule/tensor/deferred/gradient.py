"""The gradient of a tape, derived once: later tapes of the same structure record it as calls.

A tape's structure is the calls of its nodes with their inputs by number. The first occurrence is
differentiated node by node, as ever; the second is differentiated symbolically, in stages: one
graph from seeds and saved values to gradients or, where hooks or an `autograd.Function` are called
in between, one from each such call to the next. From then on `backward()` takes no Python for the
rules of nodes. With `create_graph` the stages are calls on the tape.
Example: `derived(Tape(roots, targets, order), seeds, hooks, retain=False, taped=False)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base.source import location
from chainrule.graph.node import INPUT, Node, TupleType
from chainrule.ops.control import project
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.deferred.recorder import evaluated
from chainrule.tensor.deferred.stages import Answer, Derivation, Halts, Stage
from chainrule.tensor.dispatch import fresh
from chainrule.tensor.hooks import Staged, Watch
from chainrule.tensor.modes import modes, set_grad_enabled
from chainrule.tensor.tape import RELEASED, Recorded, record, release

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_MOST = 1024  # structures; at the limit all are forgotten
_known: dict[Any, Stage | None] = {}  # the first stages; None after the first occurrence


class Tape(NamedTuple):
    """The part of the tape that a gradient walks: `order` is `topological(roots)`."""

    roots: Sequence[Node]
    targets: Sequence[Node]
    order: Sequence[Any]


def forget_gradients() -> None:
    """Forget the gradients: as at the start of a program."""
    _known.clear()


def derived(
    tape: Tape, seeds: Sequence[Tensor], hooks: Mapping[Node, Watch], *, retain: bool, taped: bool
) -> list[Tensor | None] | None:
    """Gradients of the targets, pending; None if the tape has to be walked node by node.

    `taped` gradients can be differentiated themselves.
    """
    number = {node: i for i, node in enumerate(tape.order)}
    number_of = number.__getitem__
    parts: list[Any] = []  # of each node what it does, and then the numbers of its inputs
    foreign: list[Node] = []
    for node in tape.order:
        if type(node) is not Recorded or node.saved is RELEASED:
            return None
        if node.call is not None:
            parts.append(node.call)
        elif node.op is INPUT:
            parts.append(node.type)
            continue
        elif node.op is project:
            parts += (project, node.attrs["index"])
        elif "rule" in node.attrs and "graph" not in node.attrs:
            foreign.append(node)
            parts.append(node.type)
        else:
            return None
        parts += map(number_of, node.inputs)
    ends = tuple([number.get(t, -1) for t in tape.targets])
    hooked = tuple([number[node] for node in hooks])
    key = (tuple(parts), tuple([number[r] for r in tape.roots]), ends, hooked, taped)
    try:
        first = _known[key]
    except KeyError:
        if len(_known) >= _MOST:
            _known.clear()
        _known[key] = None
        return None
    if modes.recorder is not None:
        modes.recorder.site.tapes //= 2
    walk = None
    if first is None or first.at is not None or taped:
        walk = _Walk(tape, number, Halts(hooks.keys(), foreign), Staged(retain, taped))
        if first is None:
            first = _known[key] = walk.derive(None)
    if _written(first, tape.order):
        return None
    if walk is None:
        found = _at_once(first, tape.order, seeds)
    else:
        with set_grad_enabled(taped):
            found = walk.through(first, seeds, hooks)
    if not retain:
        release(tape.order)
    return found


def _written(first: Stage, order: Sequence[Any]) -> bool:
    """Whether a tensor was written between two operations of the tape that have saved it."""
    for at, i, other, j in first.again:
        one, two = order[at].saved[i], order[other].saved[j]
        if one is not two and _settled(one) is not _settled(two):
            return True
    return False


def _settled(value: Any) -> Any:
    return value.array if type(value) is Pending and value.array is not None else value


def _at_once(stage: Stage, order: Sequence[Any], seeds: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients where no Python code is called in between."""
    for seed in seeds:
        seed._ready("backward()")
    at_hand: list[Any] = [(seed._value, seed._type) for seed in seeds]
    if stage.call is not None:
        values = _operands(stage, order, [value for value, _ in at_hand])
        made = modes.recorder.record(stage.call, values)  # type: ignore[union-attr]
        at_hand += zip(made, stage.call.parts or (), strict=True)
    return [
        None if i is None else fresh(at_hand[i][0], at_hand[i][1], None) for i in stage.arguments
    ]


def _operands(stage: Stage, order: Sequence[Any], at_hand: Sequence[Any]) -> tuple[Any, ...]:
    """The values that a stage reads: those at hand, and those that the tape has saved."""
    values = [at_hand[i] for i in stage.takes]
    for at, i, part in stage.places:
        saved = order[at].saved[i]
        values.append(saved if part is None else saved[part])
    return tuple(values)


class _Walk:
    """One walk over a tape, through stages that are known or derived on the way."""

    def __init__(self, tape: Tape, number: dict[Node, int], halts: Halts, builder: Staged) -> None:
        self.tape, self.number, self.halts, self.builder = tape, number, halts, builder
        self.answers: list[Answer] = []
        self.derivation: Derivation | None = None

    def derive(self, answer: Answer) -> Stage:
        """The stage after the calls of Python code so far, of which the last gave `answer`."""
        d = self.derivation
        if d is None:
            order, taped = self.tape.order, self.builder.record_graph
            d = Derivation(
                self.tape.roots, self.tape.targets, order, self.number, self.halts, taped=taped
            )
            for before in self.answers:
                d.advance(before)
            self.derivation = d
        stage = d.advance(answer)
        if answer is None:
            stage.again = d.again
        return stage

    def through(
        self, stage: Stage, seeds: Sequence[Tensor], hooks: Mapping[Node, Watch]
    ) -> list[Tensor | None]:
        """Record the stages and call what is between them."""
        at_hand = list(seeds)
        for seed in seeds:
            seed._ready("backward()")
        answer: Answer = None
        while True:
            if stage.call is not None:
                at_hand += self._recorded(stage, stage.call, at_hand)
            given = [None if i is None else at_hand[i] for i in stage.arguments]
            if stage.at is None:
                return [None if t is None else self.builder.copy(t) for t in given]
            found = self._called(stage, given, hooks)
            at_hand += [t for t in found if t is not None]
            self.answers.append(answer)
            answer = tuple([t is not None for t in found])
            following = stage.after.get(answer)
            if following is None:
                following = stage.after[answer] = self.derive(answer)
            stage = following

    def _recorded(self, stage: Stage, call: Any, at_hand: list[Tensor]) -> list[Tensor]:
        """The results of a stage, pending."""
        order = self.tape.order
        values = _operands(stage, order, [t._value for t in at_hand])
        recorder = modes.recorder  # after a hook has read a value there may be none
        made = evaluated(call, values) if recorder is None else recorder.record(call, values)
        if not self.builder.record_graph:
            return [fresh(value, kind, None) for value, kind in zip(made, call.parts, strict=True)]
        nodes = [at_hand[i]._tape_node() for i in stage.takes]
        nodes += [_part(order[at], part) for at, part in stage.nodes]
        node = record(call, tuple(nodes), call.keep((*values, made)), location())
        return [
            fresh(value, kind, Recorded(project, (node,), {"index": i}, kind, node.location))
            for i, (value, kind) in enumerate(zip(made, call.parts, strict=True))
        ]

    def _called(
        self, stage: Stage, given: list[Tensor | None], hooks: Mapping[Node, Watch]
    ) -> list[Tensor | None]:
        """What the Python code after a stage returns."""
        node = self.tape.order[stage.at]  # type: ignore[index]
        if stage.pulls:
            return node.attrs["rule"](self.builder, node, given)  # type: ignore[no-any-return]
        if isinstance(node.type, TupleType):
            return hooks[node](self.builder, given)  # type: ignore[no-any-return]
        return [hooks[node](self.builder, given[0])]


def _part(node: Recorded, part: int | None) -> Node:
    """A node of the tape, or the node of one of its results."""
    if part is None:
        return node
    kind = node.results[part]
    return Recorded(project, (node,), {"index": part}, kind, node.location)
