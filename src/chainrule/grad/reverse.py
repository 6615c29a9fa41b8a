"""Reverse mode: the gradient of a graph is a bigger graph.

Each node between the outputs and the targets is visited once, in reverse topological order: the
cotangents of its uses are summed (fan-out), and its op's vjp pulls the sum back to its inputs. The
cost is a constant multiple of the forward pass. Imports ops and graph.

Example: `differentiate(b, (loss,), (one,), (w, bias))` → gradient nodes of w and bias.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.base.errors import GradientError
from chainrule.base.source import at
from chainrule.graph.node import Node, TupleType, input_node
from chainrule.graph.walk import dependents, topological
from chainrule.ops.arithmetic import add
from chainrule.ops.decomposition import decomposition, replay
from chainrule.ops.record import Builder, Symbolic

# A node with several results has a list of cotangents, None for a result without one.
Cotangent = Node | list[Node | None]
Rule = Callable[[Node, Any, tuple[bool, ...]], Sequence[Any]]
Watch = Callable[[Builder, Any], Any]  # takes a node's whole cotangent, and may return another
_NOBODY: Mapping[Node, Watch] = {}
_ONE: tuple[bool, ...] = (True,)


class Halt(NamedTuple):
    """A place where a walk waits for an answer: what arrived at a node, and the walk's state.

    With `pulls` the answer is the gradients of the node's inputs, else the node's cotangent. The
    cotangents that wait in `sums` and `found` may be exchanged for others of the same types.
    """

    node: Node
    ct: Any
    pulls: bool
    sums: dict[Node, Any]
    found: dict[Node, Node]


def differentiate(
    b: Builder,
    outputs: Sequence[Node],
    cotangents: Sequence[Node | None],
    targets: Sequence[Node],
    stops: Collection[Node] = (),
    order: Sequence[Node] | None = None,
    watch: Mapping[Node, Watch] = _NOBODY,
    tell: Callable[[Node, int, Node], None] | None = None,
    rule: Rule | None = None,
) -> list[Node | None]:
    """Vector-Jacobian products of `outputs` with respect to `targets`; None where disconnected.

    No gradient flows through the nodes in `stops`, though they may be targets; `order` is
    `topological(outputs)`, if known; `watch` has the hooks of some nodes. `tell(node, i, part)`
    receives what each node sends to its input number i, before contributions are summed.
    `rule(node, ct, wanted)` replaces the visit and `local_rule` where gradients are arrays.
    """
    order = topological(outputs) if order is None else order
    walk = halting(b, outputs, cotangents, targets, order, stops, watch, (), tell, rule)
    answer = None
    while True:
        try:
            halt = walk.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer = watch[halt.node](b, halt.ct)


def halting(
    b: Builder,
    outputs: Sequence[Node],
    cotangents: Sequence[Node | None],
    targets: Sequence[Node],
    order: Sequence[Node],
    stops: Collection[Node] = (),
    watched: Collection[Node] = (),
    foreign: Collection[Node] = (),
    tell: Callable[[Node, int, Node], None] | None = None,
    rule: Rule | None = None,
) -> Generator[Halt, Any, list[Node | None]]:
    """`differentiate` as a generator: it asks for the cotangents of the nodes in `watched`.

    It also asks for the gradients that the nodes in `foreign` send to their inputs.
    """
    targeted = set(targets)
    active = dependents(targeted, order)
    if stops:
        active = {n for n in active if n not in stops or n in targeted}
    sums: dict[Node, Cotangent] = {}
    for node, ct in zip(outputs, cotangents, strict=True):
        if ct is not None and node in active:
            _accumulate(b, sums, node, ct)
    found: dict[Node, Node] = {}
    for node in reversed(order):
        ct: Any = sums.pop(node, None)  # type: ignore[no-redef]
        if ct is None:
            continue
        if watched and node in watched:
            ct = yield Halt(node, ct, False, sums, found)
        if node in targeted:
            found[node] = ct
            if node in stops:
                continue
        inputs = node.inputs
        if len(inputs) == 1 and inputs[0] in active:  # most nodes of most graphs
            wanted = _ONE
        else:
            wanted = tuple([child in active for child in inputs])
            if True not in wanted:
                continue
        if "projection" in node.op.traits:
            _accumulate_item(b, sums, inputs[0], node.attrs["index"], ct)
            continue
        if foreign and node in foreign:
            parts = yield Halt(node, ct, True, sums, found)
        else:
            parts = _visited(b, node, ct) if rule is None else rule(node, ct, wanted)
        if tell is not None:
            _tell(tell, node, parts, wanted)
        for child, want, part in zip(inputs, wanted, parts):  # noqa: B905 - strict costs as much as a sum
            if part is None or not want:
                continue
            if child in sums:
                _accumulate(b, sums, child, part)
            else:
                sums[child] = part
    return [found.get(target) for target in targets]


def _visited(b: Builder, node: Node, ct: Any) -> Sequence[Node | None]:
    b.visit(node)
    return local_rule(b, node, ct)


def _tell(
    tell: Callable[[Node, int, Node], None],
    node: Node,
    parts: Sequence[Any],
    wanted: Sequence[bool],
) -> None:
    for i, (part, want) in enumerate(zip(parts, wanted, strict=True)):
        if part is not None and want:
            tell(node, i, part)


def local_rule(b: Builder, node: Node, ct: Any) -> Sequence[Node | None]:
    """One node's vector-Jacobian product: by its op's vjp, or through its decomposition."""
    op = node.op
    if op.vjp is None:
        if op.decompose is None:
            raise GradientError(
                f"{op.name}{at(node.source)} is not differentiable; "
                "detach() the value if no gradient should flow"
            )
        return _through_decomposition(b, node, ct)
    more = (differentiate,) if "control" in op.traits else ()
    parts: Sequence[Node | None] = op.vjp(b, node, ct, *more)
    if len(parts) != len(node.inputs):
        raise GradientError(f"the vjp of {op.name} returned {len(parts)} gradients")
    return parts


def _through_decomposition(b: Builder, node: Node, ct: Any) -> list[Node | None]:
    """The vjp of the op's decomposition, derived on inputs of its own and replayed here."""
    graph = decomposition(node)
    cts = ct if isinstance(ct, list) else [ct]
    seeds = [
        None if c is None else input_node(out.type)
        for c, out in zip(cts, graph.outputs, strict=True)
    ]
    found = differentiate(Symbolic(node.source), graph.outputs, seeds, graph.inputs)
    known = dict(zip(graph.inputs, node.inputs, strict=True))
    known |= {s: c for s, c in zip(seeds, cts, strict=True) if s is not None}
    return replay(b, found, known)


def _accumulate(b: Builder, sums: dict[Node, Cotangent], node: Node, ct: Cotangent) -> None:
    """Fan-out: the cotangents of all uses add up."""
    if isinstance(ct, list):
        for i, part in enumerate(ct):
            if part is not None:
                _accumulate_item(b, sums, node, i, part)
        return
    before: Any = sums.get(node)
    if before is None:
        sums[node] = ct
    else:
        sums[node] = b(add, before, ct)


def _accumulate_item(
    b: Builder, sums: dict[Node, Cotangent], node: Node, index: int, ct: Node
) -> None:
    assert isinstance(node.type, TupleType)
    parts = sums.setdefault(node, [None] * len(node.type.items))
    assert isinstance(parts, list)
    before = parts[index]
    parts[index] = ct if before is None else b(add, before, ct)
