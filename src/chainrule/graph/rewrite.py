"""Rebuilding a graph node by node, sharing what is equal. Imports graph only.

Example: `rewrite(graph, lambda node: replacement or None)` visits inputs before users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from chainrule.graph.node import INPUT, Attrs, Graph, Node
from chainrule.graph.walk import ordered, topological

Rule = Callable[[Node], Node | None]


def frozen_attrs(attrs: Attrs) -> Any:
    """Attributes as a hashable key that tells 0 from 0.0, -0.0 and False."""
    if not attrs:
        return ()
    items = [(k, _key(v)) for k, v in attrs.items()]
    if len(items) > 1:
        items.sort(key=itemgetter(0))
    return tuple(items)


def _key(value: object) -> object:
    kind = type(value)
    if kind is tuple or kind is str:
        return value
    if kind is int or kind is bool:
        return kind, value
    return (kind, repr(value)) if isinstance(value, float) else id(value)


def attributes(node: Node) -> Any:
    """`frozen_attrs` of a node, worked out once."""
    try:
        return node.attrs_key
    except AttributeError:
        node.attrs_key = found = frozen_attrs(node.attrs)
        return found


class Sharing:
    """Makes nodes, giving back an earlier equal one: common subexpressions exist once.

    Ops with the trait `random` are distinguished by their attributes like all others.
    """

    def __init__(self) -> None:
        """Nothing shared yet."""
        self._known: dict[Any, Node] = {}

    def share(self, node: Node) -> Node:
        """The first node equal to this one."""
        if node.op is INPUT:
            return node
        key = (id(node.op), tuple([id(n) for n in node.inputs]), attributes(node))
        return self._known.setdefault(key, node)


def rewrite(graph: Graph, rule: Rule, given: Mapping[Node, Node] | None = None) -> Graph:
    """Apply `rule` to every node after its inputs; a replacement is offered to the rule again.

    Equal nodes become one, unreachable ones vanish. The replacement may be any new subgraph.
    """
    order, sharing = ordered(graph), Sharing()
    done: dict[Node, Node] = dict(given or {})
    if graph.shared and not given:  # up to the first change all is as it was
        kept = next((i for i, node in enumerate(order) if rule(node) is not None), len(order))
        if kept == len(order):
            return graph
        for node in order[:kept]:
            done[node] = sharing.share(node)
    for node in order:
        if node not in done:
            done[node] = _settle(node, done, rule, sharing)
    new = Graph(graph.inputs, tuple([done.get(n, n) for n in graph.outputs]))
    new.shared = True
    return new


def _settle(node: Node, done: dict[Node, Node], rule: Rule, sharing: Sharing) -> Node:
    for child in node.inputs:
        if done.get(child, child) is not child:
            inputs = tuple([done.get(n, n) for n in node.inputs])
            key = attributes(node)
            node = Node(node.op, inputs, node.attrs, node.type, node.source)
            node.attrs_key = key
            break
    node = sharing.share(node)
    if node in done:
        return done[node]
    new = rule(node)
    if new is None or new is node:
        done[node] = node
        return node
    for inner in topological((new,), done):
        if inner not in done:
            done[inner] = _settle(inner, done, rule, sharing)
    done[node] = done[new]
    return done[new]
