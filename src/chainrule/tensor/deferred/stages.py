"""A reverse walk in stages: what is derived symbolically between two calls of Python code.

A hook and the `backward` of an `autograd.Function` are called each time. From one call to the next
the walk is a graph: from the values at hand – seeds, what the tape has saved, what earlier stages
computed and calls returned – to the call's arguments and to what waits for later stages.
Example: `Derivation(roots, targets, order, number, halts).advance(None)` is the first stage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from chainrule.grad.reverse import Halt, halting
from chainrule.graph.interning import interned
from chainrule.graph.node import INPUT, AnyType, Graph, Node, TupleType, input_node
from chainrule.graph.walk import substitute, topological
from chainrule.ops.compose import Composed, compose
from chainrule.ops.control import call as call_op
from chainrule.ops.control import project
from chainrule.ops.record import OUT, Op, Symbolic
from chainrule.tensor.calls import Call, call_for

# A node of the tape by number, the position in its `saved`, and in the tuple found there
Place = tuple[int, int, int | None]
# Which gradients a call of Python code returned; None before the first
Answer = tuple[bool, ...] | None


class Block:
    """A graph as one call of a batch: the interface of a prepared call (`tensor/calls.py`)."""

    __slots__ = ("_composed", "attrs", "graph", "parts", "single", "type")
    op: Op = call_op
    deferrable, piece, data, checks = True, False, False, False

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.attrs = {"graph": graph}
        self.parts = tuple([n.array for n in graph.outputs])
        self.type = TupleType(self.parts)
        self.single = False
        self._composed: Composed | None = None

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """The outputs' values, with NumPy."""
        if self._composed is None:
            self._composed = compose(self.graph.inputs, self.graph.outputs)
        return self._composed(*values)


class Halts(NamedTuple):
    """The nodes of a tape at which Python code is called."""

    hooked: Collection[Node]
    foreign: Collection[Node]  # those of an autograd.Function


class Stage:
    """The graph of one stage, with its operands, and the call that follows it."""

    __slots__ = ("after", "again", "arguments", "at", "call", "nodes", "places", "pulls", "takes")

    def __init__(self, call: Block | Call | None, takes: list[int]) -> None:
        """`takes` are the numbers of the values at hand that it reads, before the saved ones."""
        self.call, self.takes = call, takes  # no call: there is nothing to compute
        self.places: list[Place] = []  # of the saved values that it reads
        # the nodes of the tape whose values those are, by number, or one of their results
        self.nodes: list[tuple[int, int | None]] = []
        self.at: int | None = None  # the node at which Python code is called; None at the end
        self.pulls = False  # whether that is a Function's `backward`
        # the values that the code gets, or at the end the targets' gradients; None for no gradient
        self.arguments: list[int | None] = []
        # of the first stage: two places each that hold one value, if nothing was written in between
        self.again: list[tuple[int, int, int, int]] = []
        self.after: dict[Answer, Stage] = {}  # the next stages by what the code returned


class Derivation:
    """The symbolic walk over a copy of the tape; `advance` makes one stage after the other."""

    def __init__(
        self, roots: Sequence[Node], targets: Sequence[Node], order: Sequence[Any],
        number: dict[Node, int], halts: Halts, *, taped: bool,
    ) -> None:  # fmt: skip
        """`number` has the positions of nodes in `order`.

        `taped` stages are prepared calls, which the tape of a gradient of the gradient takes.
        """
        copies: list[Node] = []
        for node in order:
            ins = tuple([copies[number[child]] for child in node.inputs])
            copies.append(Node(node.op, ins, node.attrs, node.type, node.source))
        seeds = [input_node(r.type) for r in roots]
        leaves = [copies[number[t]] if t in number else input_node(t.type) for t in targets]
        self._walk = halting(
            Symbolic(), [copies[number[r]] for r in roots], seeds, leaves, copies,
            watched={copies[number[node]] for node in halts.hooked},
            foreign={copies[number[node]] for node in halts.foreign},
        )  # fmt: skip
        self._taped = taped
        self._places = {node: at for at, node in enumerate(copies)}
        self._homes = _Homes()
        self.again: list[tuple[int, int, int, int]] = []  # values that the tape saves once more
        for at, node in enumerate(order):
            for i, position in enumerate(() if node.call is None else node.call.saves):
                kept = copies[at if position == OUT else number[node.inputs[position]]]
                first, place, _ = self._homes.setdefault(kept, (at, i, None))
                if first != at:
                    self.again.append((first, place, at, i))
        self._at_hand: dict[Node, int] = {}
        self._inputs: list[Node] = []  # what stands for the values at hand in later stages
        for seed in seeds:
            self._bring(seed)
        self._halt: Halt | None = None

    def advance(self, answer: Answer) -> Stage:
        """The next stage, after Python code has returned the gradients in `answer`."""
        try:
            halt = self._walk.send(None if answer is None else self._reply(answer))
        except StopIteration as end:
            self._halt = None
            stage = self._stage([n for n in end.value if n is not None])
            stage.arguments = [None if n is None else self._at_hand[n] for n in end.value]
            return stage
        arrived = halt.ct if type(halt.ct) is list else [halt.ct]
        given = [ct for ct in arrived if ct is not None]
        waiting = [n for ct in halt.sums.values() for n in (ct if type(ct) is list else [ct])]
        stage = self._stage([*given, *(n for n in waiting if n is not None), *halt.found.values()])
        stage.at, stage.pulls = self._places[halt.node], halt.pulls
        stage.arguments = [None if n is None else self._at_hand[n] for n in arrived]
        self._cut(halt)
        return stage

    def _reply(self, answer: tuple[bool, ...]) -> Any:
        """Nodes that stand for the gradients that Python code returned."""
        halt = self._halt
        assert halt is not None
        types: Sequence[AnyType] = [halt.node.type]
        if halt.pulls:
            types = [child.type for child in halt.node.inputs]
        elif isinstance(halt.node.type, TupleType):
            types = halt.node.type.items
        nodes = [
            self._bring(input_node(kind)) if there else None
            for there, kind in zip(answer, types, strict=True)
        ]
        return nodes if halt.pulls or type(halt.ct) is list else nodes[0]

    def _bring(self, node: Node) -> Node:
        """Number a value that is at hand from now on."""
        self._at_hand[node] = len(self._inputs)
        self._inputs.append(node)
        return node

    def _cut(self, halt: Halt) -> None:
        """Go on with nodes that stand for what the stages so far have computed."""

        def cut(node: Node | None) -> Node | None:
            return None if node is None else self._inputs[self._at_hand[node]]

        for node, ct in halt.sums.items():
            halt.sums[node] = [cut(c) for c in ct] if type(ct) is list else cut(ct)
        for node, ct in halt.found.items():
            halt.found[node] = cut(ct)  # type: ignore[assignment]
        self._halt = halt

    def _stage(self, ends: Iterable[Node]) -> Stage:
        """The stage that computes `ends`; its results are at hand from then on."""
        made = [node for node in dict.fromkeys(ends) if node not in self._at_hand]
        order = topological(made, self._places)
        taken = [node for node in order if node in self._at_hand]
        read = _read(made, order, self._places)
        inputs = {node: input_node(node.type, node.source) for node in read}
        graph = Graph((*taken, *inputs.values()), tuple(substitute(made, inputs)))
        stage = Stage(self._call(graph) if made else None, [self._at_hand[n] for n in taken])
        stage.places = [self._homes[node] for node in read]
        stage.nodes = [self._node(node) for node in read]
        for node in made:
            self._at_hand[node] = len(self._inputs)
            self._bring(input_node(node.type))
        return stage

    def _node(self, node: Node) -> tuple[int, int | None]:
        at = self._places.get(node)
        if at is not None:
            return at, None
        return self._places[node.inputs[0]], node.attrs["index"]  # a projection of a rule's own

    def _call(self, graph: Graph) -> Block | Call:
        if not self._taped:
            return Block(graph)
        attrs = {"graph": interned(graph)}
        types = tuple([n.type for n in graph.inputs])
        return call_op.prepared.get((*types, *attrs.items())) or call_for(call_op, types, attrs)


def _read(made: Sequence[Node], order: Iterable[Node], forward: Collection[Node]) -> list[Node]:
    """Values of the forward pass that gradients read; of several results, the ones read."""
    read: dict[Node, None] = {}
    for node in order:
        if node.op is project and node.inputs[0] in forward:
            read[node] = None
        elif node.op is not INPUT:
            read |= dict.fromkeys([child for child in node.inputs if child in forward])
    return [*read, *(node for node in made if node in forward and node not in read)]


class _Homes(dict[Node, Place]):
    """By forward node: the node of the tape that saves it, and where; a projection's is its own."""

    def __missing__(self, node: Node) -> Place:
        at, i, _ = self[node.inputs[0]]
        return at, i, node.attrs["index"]
