"""Two equal loops of which one records its history become one loop.

    y = scan(h, xs);  z = scan(h, xs) with its history     →   y and z are results of the second

A gradient needs the history of a loop that was traced without it. Example: `run_once(graph)`.
"""

from __future__ import annotations

from typing import Any

from chainrule.compiler.shared.bodies import exchange, loops
from chainrule.graph.node import Graph, Node
from chainrule.graph.rewrite import frozen_attrs
from chainrule.ops.control import items
from chainrule.ops.record import Symbolic


def run_once(graph: Graph) -> Graph:
    """Replace loops by equal ones that keep their history."""
    longest: dict[Any, Node] = {}
    for node in loops(graph):
        found = longest.setdefault(_body_and_operands(node), node)
        if node.attrs["history"] and not found.attrs["history"]:
            longest[_body_and_operands(node)] = node
    for node in loops(graph):
        kept = longest.get(_body_and_operands(node), node)
        if kept is not node:
            return run_once(exchange(graph, node, items(Symbolic(node.source), kept)))
    return graph


def _body_and_operands(node: Node) -> Any:
    attrs = {name: value for name, value in node.attrs.items() if name != "history"}
    return tuple([id(n) for n in node.inputs]), frozen_attrs(attrs)
