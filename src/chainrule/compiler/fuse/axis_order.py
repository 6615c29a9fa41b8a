"""The order of axes in which a heavy result is kept, so that what follows is a view, not a copy.

    reshape(transpose(p, (0, 2, 1, 3)), …)   →   p is kept as (B, T, H, D); the reshape is free

Example: `axis_orders(graph)` gives the views of results that are not kept in row-major order.
"""

from __future__ import annotations

from chainrule.base.shapes import View
from chainrule.compiler.shared.access import beneath, is_view, source_view
from chainrule.compiler.shared.matrices import batch_shape
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered
from chainrule.ops.record import Contract


def axis_orders(graph: Graph) -> dict[Node, View]:
    """The views in which products and attentions are stored for a transpose and reshape."""
    found: dict[Node, View] = {}
    ends = set(graph.outputs)  # their arrays belong to the caller: row-major
    strided: dict[Node, bool] = {}  # whether strides can express a view of its source
    views: dict[Node, View] = {}  # those that they can
    for node in ordered(graph):
        if not is_view(node):
            continue
        _follow(node, views, strided)
        moved = node.inputs[0]
        if strided[node] or not is_view(moved) or is_view(moved.inputs[0]):
            continue
        source, view = moved.inputs[0], beneath(moved, View.whole(moved.shape))
        if source in found or source in ends or view is None or view.strides[-1:] != (1,):
            continue
        if _movable(source, view):
            found[source] = view
    return found


def _follow(node: Node, views: dict[Node, View], strided: dict[Node, bool]) -> None:
    """Note whether strides can express a view of its source, given that of its operand."""
    child = node.inputs[0]
    strided[node] = strided.get(child, True)
    if not strided[node]:
        return
    before = views[child] if child in views else source_view(child)
    view = node.op.lower.view(node.attrs, before, node.shape)
    if view is None:
        strided[node] = False
    else:
        views[node] = view


def _movable(node: Node, view: View) -> bool:
    """Whether the kernel that computes the node can write it in another order of axes."""
    if node.op is INPUT:
        return False
    if isinstance(node.op.lower, Contract):
        return view.reshape(batch_shape(node.shape)) is not None
    return "projection" in node.op.traits
