"""Forward mode: the directional derivative of a graph is a bigger graph.

Nodes are visited once in topological order; each op's local rule turns the tangents of its inputs
into the tangent of its result. Most ops need no rule of their own: an elementwise op's Jacobian is
diagonal, so its reverse rule serves; a linear op is applied to the tangents; a composite op is
pushed through what it decomposes into. A call of which only uᵀ·J is known – an `autograd.Function`
without a `jvp` – is the one place where J·v is the derivative of uᵀ·J. Imports ops and graph.

Example: `push(b, (y,), (x,), (v,))` → the node of J·v.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.base.errors import GradientError
from chainrule.base.source import at
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Node, TupleType, input_node
from chainrule.graph.walk import topological
from chainrule.ops.arithmetic import add
from chainrule.ops.creation import filled
from chainrule.ops.decomposition import decomposition, replay
from chainrule.ops.record import Builder, Symbolic

# Of a node with several results, a tangent for each; None where nothing moves.
Tangent = Node | list[Node | None]


def push(
    b: Builder, outputs: Sequence[Node], inputs: Sequence[Node], tangents: Sequence[Node | None]
) -> list[Node | None]:
    """Jacobian-vector products: each output's tangent when `inputs` move by `tangents`.

    None stands for zero: an input that does not move, an output that does not depend on those that
    do, or one of integers or bools. `inputs` may be inner nodes; what lies before them is constant.
    """

    def rule(node: Node, known: Mapping[Node, Tangent]) -> Tangent | None:
        return _local_rule(b, node, [known.get(child) for child in node.inputs])

    return propagate(b, outputs, inputs, tangents, rule)


def propagate(
    b: Builder,
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    given: Sequence[Node | None],
    rule: Callable[[Node, Mapping[Node, Any]], Any],
) -> list[Node | None]:
    """What goes with each output, from what is `given` with the inputs; None where nothing does.

    `rule(node, known)` says what goes with a node, once it is known of one of its inputs at least.
    """
    known: dict[Node, Any] = {
        node: x for node, x in zip(inputs, given, strict=True) if x is not None
    }
    fixed = set(inputs)
    for node in topological(outputs):
        if node in fixed or not any(child in known for child in node.inputs):
            continue
        b.visit(node)
        found = rule(node, known)
        if found is not None:
            known[node] = found
    ends = [known.get(node) for node in outputs]
    assert not any(isinstance(x, list) for x in ends), "outputs with several results: project them"
    return ends


def _local_rule(b: Builder, node: Node, tangents: Sequence[Tangent | None]) -> Tangent | None:
    op = node.op
    if "projection" in op.traits:
        several = tangents[0]
        assert isinstance(several, list)
        return several[node.attrs["index"]]
    ins: list[Node | None] = [t for t in tangents if not isinstance(t, list)]
    assert len(ins) == len(tangents), "only projections take a node with several results"
    if not isinstance(node.type, TupleType) and node.dtype.kind != "float":
        return None
    if op.jvp is not None:
        if "control" in op.traits:
            return op.jvp(b, node, ins, push, differentiate)  # type: ignore[no-any-return]
        return op.jvp(b, node, ins)  # type: ignore[no-any-return]
    if "elementwise" in op.traits and op.vjp is not None:
        return _diagonal(b, node, ins)
    if "linear" in op.traits:
        moved = [t or filled(b, 0, x) for t, x in zip(ins, node.inputs, strict=True)]
        return b(op, *moved, **node.attrs)
    if op.decompose is not None:
        return _through_decomposition(b, node, ins)
    raise GradientError(
        f"{op.name}{at(node.source)} has no forward-mode rule; use reverse mode, or "
        "detach() the value if no derivative should flow"
    )


def _diagonal(b: Builder, node: Node, ins: Sequence[Node | None]) -> Node | None:
    """Σ over inputs of ∂out/∂input · tangent, each by the reverse rule: a diagonal Jacobian."""
    total: Node | None = None
    for i, tangent in enumerate(ins):
        part = None if tangent is None else node.op.vjp(b, node, tangent)[i]
        if part is not None:
            total = part if total is None else b(add, total, part)
    return total


def _through_decomposition(b: Builder, node: Node, ins: Sequence[Node | None]) -> Tangent | None:
    graph = decomposition(node)
    seeds = [None if t is None else input_node(t.type) for t in ins]
    found = push(Symbolic(node.source), graph.outputs, graph.inputs, seeds)
    known = dict(zip(graph.inputs, node.inputs, strict=True))
    known |= {s: t for s, t in zip(seeds, ins, strict=True) if s is not None and t is not None}
    made = replay(b, found, known)
    return made if isinstance(node.type, TupleType) else made[0]
