"""The node of a tensor whose value was written without being recorded.

Under no_grad(), through `.data` or through `detach()`, a write changes the value of a computed
tensor and not its node. On the tape the node stays and the handle has the new value. In a traced
graph a new node has the value and passes its gradient to the old node.
Example: `renewed(trace, old, new)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.graph.node import Graph, Node, input_node
from chainrule.ops.control import call, project

if TYPE_CHECKING:
    from chainrule.tensor.trace import Trace


def renewed(trace: Trace, old: Node, new: Node) -> Node:
    """The value of `new`, with the gradient of `old`: ∂/∂old = 1, ∂/∂new = 0."""
    before, after, cotangent = (input_node(old.type) for _ in range(3))
    both = trace.record(
        call,
        (old, new),
        {
            "graph": Graph((before, after), (after,)),
            "vjp_graph": Graph((before, after, cotangent), (cotangent,)),
            "wanted": (0,),
            "reads": (),
            "label": "renewed",
        },
    )
    return trace.record(project, (both,), {"index": 0})
