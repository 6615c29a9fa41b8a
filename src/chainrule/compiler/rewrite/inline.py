"""Calls of subgraphs are inlined, so that the other passes see one graph.

    call(x, w; graph = (a, b) → f(a, b))              →  f(x, w)
    project(call(x, w; graph = (a, b) → f, g(a, b)), 1)  →  g(x, w)

Example: `inline_calls(graph)`.
"""

from __future__ import annotations

from chainrule.base.source import Numbered, Source
from chainrule.graph.node import INPUT, Graph, Node
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
    if node.op is scan:
        body = _numbered(node.attrs["graph"], node.source)
        return None if body is None else _with_body(node, body)
    if node.op is not call:
        return None
    body = _numbered(node.attrs["graph"], node.source) or node.attrs["graph"]
    results = substitute(body.outputs, dict(zip(body.inputs, node.inputs, strict=True)))
    return Symbolic(node.source)(bundle, *results)


def _numbered(body: Graph, source: Source | None) -> Graph | None:
    """The body whose nodes have the number of its call, where they have its line; None if all do.

    Bodies are recorded once, and so do not know the layer that runs: the number leads to it.
    """
    if type(source) is not Numbered:
        return None
    new: dict[Node, Node] = {}
    for node in ordered(body):
        own = node.source
        if node.op is INPUT or type(own) is not Source or own[:2] != source[:2]:
            own = None
        inputs = tuple([new.get(n, n) for n in node.inputs])
        if own is not None:
            new[node] = Node(node.op, inputs, node.attrs, node.type, source)
        elif inputs != node.inputs:
            new[node] = node.on(inputs)
    return body.ending([new.get(n, n) for n in body.outputs]) if new else None


def _with_body(node: Node, body: Graph) -> Node:
    return Node(node.op, node.inputs, {**node.attrs, "graph": body}, node.type, node.source)
