"""Calls of subgraphs are inlined, so that the other passes see one graph.

    call(x, w; graph = (a, b) → f(a, b))              →  f(x, w)
    project(call(x, w; graph = (a, b) → f, g(a, b)), 1)  →  g(x, w)

Example: `inline_calls(graph)`.
"""

from __future__ import annotations

from chainrule.graph.node import Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.graph.walk import ordered, substitute
from chainrule.ops.control import bundle, call, project
from chainrule.ops.record import Symbolic
from chainrule.ops.scan import scan


def inline_calls(graph: Graph) -> Graph:
    """Replace every call by its body; in a graph with loops, equal nodes are shared too."""
    if all(node.op is not call and node.op is not scan for node in ordered(graph)):
        return graph
    return rewrite(graph, _inline)


def _inline(node: Node) -> Node | None:
    if node.op is project and node.inputs[0].op is bundle:
        return node.inputs[0].inputs[node.attrs["index"]]
    if node.op is not call:
        return None
    body: Graph = node.attrs["graph"]
    results = substitute(body.outputs, dict(zip(body.inputs, node.inputs, strict=True)))
    return Symbolic(node.source)(bundle, *results)
