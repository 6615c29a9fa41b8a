"""Rebuilding a graph node by node, sharing what is equal. Imports base and graph.

Example: `rewrite(graph, lambda node: replacement or None)` visits inputs before users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from chainrule.base.shapes import Size
from chainrule.graph.node import INPUT, Attrs, Graph, Node
from chainrule.graph.walk import ordered, topological

Rewrite = Callable[[Node], Node | None]


def frozen_attrs(attrs: Attrs) -> Any:
    """Attributes as a hashable key that distinguishes 0, 0.0, -0.0 and False."""
    if not attrs:
        return ()
    items = [(k, _key(v)) for k, v in attrs.items()]
    if len(items) > 1:
        items.sort(key=itemgetter(0))
    return tuple(items)


def _key(value: object) -> object:
    kind = type(value)
    if kind is tuple or kind is str or kind is Size:
        return value
    if kind is int or kind is bool:
        return kind, value
    return (kind, repr(value)) if isinstance(value, float) else id(value)


def attributes(node: Node) -> Any:
    """`frozen_attrs` of a node, cached."""
    if not node.attrs:
        return ()
    found = getattr(node, "attrs_key", None)
    if found is None:
        node.attrs_key = found = frozen_attrs(node.attrs)
    return found


class Sharing:
    """A factory of nodes that returns an equal earlier one: common subexpressions exist once.

    Ops with the trait `random` are distinguished by their attributes like all others. A graph keeps
    its table, so that the next rewrite visits new nodes only.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Node] = {}
        self.members: set[Node] = set()

    def share(self, node: Node) -> Node:
        """The first node equal to this one."""
        if node.op is INPUT:
            found = node
        else:
            key = (id(node.op), tuple([id(n) for n in node.inputs]), attributes(node))
            found = self._known.setdefault(key, node)
        self.members.add(found)
        return found


def rewrite(graph: Graph, *rewrites: Rewrite) -> Graph:
    """Apply the first rewrite that matches each node, after its inputs, and again to the result.

    Equal nodes become one, unreachable ones vanish. A replacement may be any new subgraph.
    """
    sharing: Sharing = graph.sharing or Sharing()
    again = _Rewriting(rewrites, sharing)
    moved, members = again.moved, sharing.members
    for node in ordered(graph):
        if node in members and (not moved or moved.isdisjoint(node.inputs)):
            again.offer(node)  # no equal node exists, and its inputs stay
        else:
            again.settle(node)
    graph.sharing = sharing
    return graph.ending([again.done.get(n, n) for n in graph.outputs]) if moved else graph


class _Rewriting:
    """One rewrite of a graph: what each of its nodes became."""

    def __init__(self, rewrites: Sequence[Rewrite], sharing: Sharing) -> None:
        self.rewrites, self.sharing = rewrites, sharing
        self.done: dict[Node, Node] = {}
        self.moved: set[Node] = set()  # replaced nodes

    def settle(self, node: Node) -> Node:
        """What a node becomes, after its inputs."""
        done = self.done
        if node in done:
            return done[node]
        same = node
        if not self.moved.isdisjoint(node.inputs):
            same = node.on(tuple([done.get(n, n) for n in node.inputs]))
            same.attrs_key = attributes(node)
        same = self.sharing.share(same)
        new = self.offer(same)
        if same is not node:
            self._note(node, new)
        return new

    def offer(self, node: Node) -> Node:
        """What the rewrites make of a node without an equal."""
        done = self.done
        if node in done:
            return done[node]
        for change in self.rewrites:
            new = change(node)
            if new is not None and new is not node:
                break
        else:
            done[node] = node
            return node
        for inner in topological((new,), done):
            self.settle(inner)
        self._note(node, done[new])
        return done[new]

    def _note(self, node: Node, new: Node) -> None:
        self.done[node] = new
        if new is not node:
            self.moved.add(node)
