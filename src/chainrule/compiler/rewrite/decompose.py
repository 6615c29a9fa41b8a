"""Composite ops become the simple ones that fusion knows, simplified at once.

    softmax(x)  →  e = exp(x - max x);  e · (1 / Σ e)

Before → after for every op that has `decompose` and no lowering of its own. Ops with a template
(attention) keep their identity. Example: `decompose(graph)`.
"""

from __future__ import annotations

from chainrule.base.errors import TraceError
from chainrule.compiler.rewrite.simplify import simpler
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.ops.record import Symbolic


def decompose(graph: Graph) -> Graph:
    """Replace every op that only has a decomposition, and simplify."""
    return rewrite(graph, _decomposed, simpler)


def _decomposed(node: Node) -> Node | None:
    op = node.op
    if "host" in op.traits:
        raise TraceError(
            f"{op.name} at {node.source} has no native code and cannot be compiled\n  compute it "
            "outside the compiled function, or do not compile this part"
        )
    if op is INPUT or op.lower is not None or op.decompose is None:
        return None
    return op.decompose(Symbolic(node.source), node)  # type: ignore[no-any-return]
