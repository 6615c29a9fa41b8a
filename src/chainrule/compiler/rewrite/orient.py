"""Work on a transposed array is done in the array's memory order.

    relu(transpose(y))                        →  transpose(relu(y))
    transpose(y) + broadcast(bias)            →  transpose(y + transposed broadcast of bias)
    amax over the last axis of transpose(y)   →  amax over that axis of y

Only where the transpose moves the last axis (vectors would be gathered element by element), all
large operands are transposed alike, and nothing else reads the transpose. So bias, ReLU and maximum
over time of a convolution run on its channels-last result. Example: `orient(graph)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.shared.access import is_view, virtual
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered, uses
from chainrule.ops.layout import transpose
from chainrule.ops.record import Map, Reduce, Symbolic
from chainrule.ops.reduce import argmax

Axes = tuple[int, ...]


def orient(graph: Graph) -> Graph:
    """Move transposes behind the elementwise work and the reductions that read them."""
    order = ordered(graph)
    if not any(map(_turn, order)):
        return graph
    turned = _turned(order, set(graph.outputs))
    if not turned:
        return graph
    inner: dict[Node, Node] = {}  # turned node → its value in memory order
    done: dict[Node, Node] = {}
    for node in order:
        if node in turned:
            axes, b = turned[node], Symbolic(node.source)
            inner[node] = _inner(node, axes, inner, done, b)
            done[node] = b(transpose, inner[node], axes=axes)
        elif _reduces(node) and node.inputs[0] in turned:
            done[node] = _reduction(node, inner[node.inputs[0]], turned[node.inputs[0]])
        else:
            done[node] = node.on(tuple([done[child] for child in node.inputs]))
    return graph.ending([done[node] for node in graph.outputs])


def _turned(order: Sequence[Node], outputs: set[Node]) -> dict[Node, Axes]:
    """Nodes that are computed in another order of axes: transposes, and work on their results.

    A transpose with a reader that cannot follow stays.
    """
    users = uses(order)
    moves = {node: axes for node in order if (axes := _turn(node)) and node not in outputs}
    while moves:
        turned = dict(moves)
        roots = {node: {node} for node in moves}
        for node in order:
            if node not in turned and (axes := _common(node, turned)) is not None:
                turned[node] = axes
                roots[node] = set[Node]().union(*(roots.get(c, ()) for c in node.inputs))
        wrong = set[Node]()
        for node, axes in turned.items():
            if not all(_goes_along(u, turned, axes, node in moves) for u in users[node]):
                wrong |= roots[node]
        if not wrong:
            return turned
        moves = {node: axes for node, axes in moves.items() if node not in wrong}
    return {}


def _inner(
    node: Node, axes: Axes, inner: dict[Node, Node], done: dict[Node, Node], b: Symbolic
) -> Node:
    if node.op is transpose:
        return done[node.inputs[0]]
    back = tuple(axes.index(i) for i in range(len(axes)))
    ins = [inner.get(c) or b(transpose, done[c], axes=back) for c in node.inputs]
    return b(node.op, *ins, **node.attrs)


def _goes_along(user: Node, turned: dict[Node, Axes], axes: Axes, first: bool) -> bool:
    """Whether a reader is turned too, or can read the node in either order.

    Elementwise work that is not turned would be separated from its producer.
    """
    if turned.get(user) == axes or user.op is transpose or _reduces(user):
        return True
    return not first and not _is_elementwise(user)


def _reduces(node: Node) -> bool:
    return node.op is argmax or (node.op is not INPUT and isinstance(node.op.lower, Reduce))


def _is_elementwise(node: Node) -> bool:
    return (
        node.op is not INPUT
        and bool(node.inputs)
        and isinstance(node.op.lower, Map)
        and "elementwise" in node.op.traits
    )


def _common(node: Node, turned: dict[Node, Axes]) -> Axes | None:
    """The order of axes shared by all large operands of an elementwise node, or None."""
    if not _is_elementwise(node):
        return None
    found = {turned[child] for child in node.inputs if child in turned}
    if len(found) != 1 or not all(child in turned or _thin(child) for child in node.inputs):
        return None
    return next(iter(found))


def _turn(node: Node) -> Axes | None:
    """The order of axes of a transpose that moves the last one, else None."""
    if node.op is not transpose:
        return None
    axes: Axes = node.attrs["axes"]
    return axes if axes[-1] != len(axes) - 1 else None


def _thin(node: Node) -> bool:
    """Whether an operand is a broadcast of fewer elements, or a constant."""
    source = node
    while is_view(source):
        source = source.inputs[0]
    return virtual(source) or source.array.size < node.array.size


def _reduction(node: Node, inner: Node, axes: Axes) -> Node:
    named: Sequence[int] = (node.attrs["axis"],) if node.op is argmax else node.attrs["axes"]
    b, moved = Symbolic(node.source), tuple(sorted(axes[a] for a in named))
    out = b(node.op, inner, **({"axis": moved[0]} if node.op is argmax else {"axes": moved}))
    kept = [axes[i] for i in range(len(axes)) if i not in named]
    order = tuple(sorted(kept).index(a) for a in kept)
    return out if order == tuple(range(len(order))) else b(transpose, out, axes=order)
