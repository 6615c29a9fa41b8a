"""Equal graphs as one object, so that what is worked out from a body is found by identity.

A loop's body is recorded again at each call; `interned` gives the graph that was recorded first, as
long as somebody holds it. Graphs are equal if their inputs have equal types and their nodes, in
topological order, have the same op, operands, attributes and source line: an error in either names
the right line. Graphs inside attributes are compared by identity, so inner bodies come first.
Imports graph only.

Example: `interned(body) is interned(the_same_body_recorded_again)`.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import attributes
from chainrule.graph.walk import ordered

_known: WeakValueDictionary[Any, Graph] = WeakValueDictionary()


def interned(graph: Graph) -> Graph:
    """The first living graph equal to this one."""
    return graph if graph.interned else _first(_known.setdefault(_structure(graph), graph))


def _first(graph: Graph) -> Graph:
    graph.interned = True
    return graph


def _structure(graph: Graph) -> Any:
    """A key of the graph that holds no node: it may contain ids of what the graph holds alive."""
    number: dict[Node, int] = {node: i for i, node in enumerate(graph.inputs)}
    steps = []
    for node in ordered(graph):
        if node in number:
            continue
        operands = tuple([number[child] for child in node.inputs])
        kind = node.type if node.op is INPUT else None  # else the op infers it
        steps.append((node.op, operands, attributes(node), node.source, kind))
        number[node] = len(number)
    types = tuple([node.type for node in graph.inputs])
    return types, tuple(steps), tuple([number[node] for node in graph.outputs])
