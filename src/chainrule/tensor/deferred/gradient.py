"""The gradient of a tape, derived once: later tapes of the same structure record it as one call.

A tape's structure is the calls of its nodes with their inputs by number. The first occurrence is
differentiated node by node, as ever; the second is differentiated symbolically, and the result, a
graph from seeds and saved values to gradients, is kept. From then on `backward()` takes no Python
for the rules of nodes. Example: `derived(roots, seeds, leaves, order, retain=False)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, TupleType, input_node
from chainrule.graph.walk import substitute, topological
from chainrule.ops.compose import Composed, compose
from chainrule.ops.control import call as call_op
from chainrule.ops.control import project
from chainrule.ops.record import OUT, Op, Symbolic
from chainrule.tensor.dispatch import fresh
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import RELEASED, Recorded

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

# A node of the tape by number, the position in its `saved`, and in the tuple found there
Place = tuple[int, int, int | None]
_MOST = 1024  # structures; at the limit all are forgotten


class Block:
    """A graph as one call of a batch: the interface of a prepared call (`tensor/calls.py`)."""

    __slots__ = ("_composed", "attrs", "graph", "parts", "single", "type")
    op: Op = call_op
    deferrable, piece = True, False

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


class Derived:
    """The gradient of a structure: where its operands are saved, and which leaf gets which part."""

    __slots__ = ("block", "places", "results")

    def __init__(self, block: Block, places: list[Place], results: list[int | None]) -> None:
        """`results` are the parts of the block's result that the targets get."""
        self.block, self.places, self.results = block, places, results


_known: dict[Any, Derived | None] = {}  # None after the first occurrence


def forget_gradients() -> None:
    """Forget the gradients: as at the start of a program."""
    _known.clear()


def derived(
    roots: Sequence[Node], seeds: Sequence[Tensor], targets: Sequence[Node], order: Sequence[Node],
    *, retain: bool,
) -> list[Tensor | None] | None:  # fmt: skip
    """Gradients of the targets, pending; None if the tape has to be walked node by node."""
    number: dict[Node, int] = {}
    parts: list[Any] = []
    for node in order:
        number[node] = len(number)
        if type(node) is not Recorded:
            return None
        call = node.call
        if call is not None:
            parts.append((call, *[number[child] for child in node.inputs]))
        elif node.op is INPUT:
            parts.append(node.type)
        elif node.op is project:
            parts.append((node.attrs["index"], number[node.inputs[0]]))
        else:
            return None
    ends = tuple([number.get(t, -1) for t in targets])
    key = (tuple(parts), tuple([number[r] for r in roots]), ends)
    if key not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        _known[key] = None
        return None
    found = _known[key]
    if found is None:
        found = _known[key] = _derive(roots, targets, order, number)
    return _recorded(found, seeds, order, retain=retain)


def _derive(
    roots: Sequence[Node], targets: Sequence[Node], order: Sequence[Node], number: dict[Node, int]
) -> Derived:
    """Differentiate a copy of the tape symbolically."""
    copies: list[Node] = []
    for node in order:
        ins = tuple([copies[number[child]] for child in node.inputs])
        copies.append(Node(node.op, ins, node.attrs, node.type, node.source))
    seeds = [input_node(r.type) for r in roots]
    leaves = [copies[number[t]] if t in number else input_node(t.type) for t in targets]
    found = differentiate(Symbolic(), [copies[number[r]] for r in roots], seeds, leaves)
    outputs = list(dict.fromkeys([g for g in found if g is not None]))
    results = [None if g is None else outputs.index(g) for g in found]
    homes, read = _homes(order, copies, number), _read(outputs, set(copies))
    inputs = {node: input_node(node.type, node.source) for node in read}
    graph = Graph((*seeds, *inputs.values()), tuple(substitute(outputs, inputs)))
    return Derived(Block(graph), [homes[node] for node in read], results)


def _read(outputs: Sequence[Node], forward: set[Node]) -> list[Node]:
    """Values of the forward pass that gradients read; of several results, the ones read."""
    read: dict[Node, None] = {}
    for node in topological(outputs, forward):
        if node.op is project and node.inputs[0] in forward:
            read[node] = None
        else:
            read |= dict.fromkeys([child for child in node.inputs if child in forward])
    return [*read, *(node for node in outputs if node in forward and node not in read)]


def _homes(order: Sequence[Node], copies: Sequence[Node], number: dict[Node, int]) -> _Homes:
    """Where the value of a forward node is saved."""
    found = _Homes()
    for at, node in enumerate(order):
        assert isinstance(node, Recorded)
        if node.call is not None:
            for i, position in enumerate(node.call.saves):
                kept = copies[at if position == OUT else number[node.inputs[position]]]
                found.setdefault(kept, (at, i, None))
    return found


class _Homes(dict[Node, Place]):
    """By forward node: the node of the tape that saves it, and where; a projection's is its own."""

    def __missing__(self, node: Node) -> Place:
        at, i, _ = self[node.inputs[0]]
        return at, i, node.attrs["index"]


def _recorded(
    found: Derived, seeds: Sequence[Tensor], order: Sequence[Node], *, retain: bool
) -> list[Tensor | None] | None:
    """Record the gradient, and release what the tape has saved."""
    values: list[Any] = [seed._value for seed in seeds]
    for at, i, part in found.places:
        saved = order[at].saved  # type: ignore[attr-defined]
        if saved is RELEASED:
            return None  # the walk raises
        values.append(saved[i] if part is None else saved[i][part])
    if not retain:
        for node in order:
            if node.saved and type(node.saved) is tuple:  # type: ignore[attr-defined]
                node.saved = RELEASED  # type: ignore[attr-defined]
    made = modes.recorder.record(found.block, tuple(values))  # type: ignore[union-attr]
    parts = found.block.parts
    return [None if i is None else fresh(made[i], parts[i], None) for i in found.results]
