"""Empty arrays leave the graph: a value computed from no elements is a constant.

    any op with an empty result              →  full
    sum of nothing, a @ b with no columns, scatter_add of no rows, gather of no table  →  full(0)
    concat(a, empty, b)                      →  concat(a, b)
    scatter, overlay of no updates           →  its base
    scan of no steps                         →  the carries it starts from

After it no kernel has an empty domain or reads an empty array. Example: `drop_empty(graph)`.
"""

from __future__ import annotations

from chainrule.compiler.shared.access import is_filled
from chainrule.compiler.shared.bodies import is_loop, loops
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.rewrite import rewrite
from chainrule.graph.walk import ordered
from chainrule.ops.control import bundle
from chainrule.ops.creation import full
from chainrule.ops.record import Pieces, Symbolic


def drop_empty(graph: Graph) -> Graph:
    """Replace what has no elements, or is computed from nothing."""
    order = ordered(graph)
    if all(map(_has_elements, order)) and not loops(graph):
        return graph
    return rewrite(graph, _drop)


def _drop(node: Node) -> Node | None:
    if node.op is INPUT or is_filled(node):
        return None
    b = Symbolic(node.source)
    if isinstance(node.type, Type) and not node.type.size:
        return b(full, value=0, dtype=node.dtype, shape=node.shape)
    if is_loop(node):
        return _no_steps(b, node)
    present = [child for child in node.inputs if _has_elements(child)]
    if len(present) == len(node.inputs):
        return None
    if "in-place" in node.op.traits and _has_elements(node.inputs[0]):
        return node.inputs[0]
    if isinstance(node.op.lower, Pieces) and present:
        return present[0] if len(present) == 1 else b(node.op, *present, **node.attrs)
    if node.op.decompose is not None:
        return node.op.decompose(b, node)  # type: ignore[no-any-return]
    if not isinstance(node.type, Type):
        return None
    return b(full, value=0, dtype=node.dtype, shape=node.shape)


def _has_elements(node: Node) -> bool:
    kind = node.type
    return 0 not in kind.shape if isinstance(kind, Type) else any(t.size for t in kind.items)


def _no_steps(b: Symbolic, node: Node) -> Node | None:
    if node.attrs["length"]:
        return None
    assert not isinstance(node.type, Type)
    count = node.attrs["carries"]
    stacks = [b(full, value=0, dtype=t.dtype, shape=t.shape) for t in node.type.items[count:]]
    return b(bundle, *node.inputs[:count], *stacks)
