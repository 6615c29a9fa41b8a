"""Walks over a graph, iterative so that a chain of any length works. Imports graph.node only.

Example: `topological((loss,))` lists every node that `loss` needs, inputs before users.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from chainrule.graph.node import Graph, Node


def topological(outputs: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """All nodes that the outputs need, each once, every node after its inputs.

    Nodes in `known` and what only they need are left out.
    """
    order: list[Node] = []
    done: set[Node] = set()
    for root in outputs:
        if root in done or root in known:
            continue
        done.add(root)
        node, pending = root, iter(root.inputs)
        stack = []  # nodes that wait for this one
        while True:
            for child in pending:
                if child not in done and child not in known:
                    done.add(child)
                    if child.inputs:
                        stack.append((node, pending))
                        node, pending = child, iter(child.inputs)
                        break
                    order.append(child)
            else:
                order.append(node)
                if not stack:
                    break
                node, pending = stack.pop()
    return order


def ordered(graph: Graph) -> tuple[Node, ...]:
    """`topological(graph.outputs)`, cached."""
    if graph.known_order is None:
        graph.known_order = tuple(topological(graph.outputs))
    return graph.known_order


def dependents(roots: Iterable[Node], order: Iterable[Node]) -> set[Node]:
    """The nodes of `order` (topological) that depend on any of `roots`, roots included."""
    found = set(roots)
    for node in order:
        if node not in found and not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def uses(order: Iterable[Node]) -> dict[Node, list[Node]]:
    """The users of each node, one entry per use."""
    found: dict[Node, list[Node]] = {}
    for node in order:
        if node not in found:
            found[node] = []
        for child in node.inputs:
            if child in found:
                found[child].append(node)
            else:
                found[child] = [node]
    return found


def substitute(
    outputs: Iterable[Node], replace: Mapping[Node, Node], order: Iterable[Node] | None = None
) -> list[Node]:
    """Rebuild the outputs with some nodes replaced; untouched parts are shared, not copied.

    `order` is `topological(outputs)`, if known.
    """
    new = dict(replace)
    moved = {node for node, other in replace.items() if other is not node}
    targets = list(outputs)
    for node in topological(targets) if order is None else order:
        if moved.isdisjoint(node.inputs) or node in new:
            continue
        new[node] = node.on(tuple([new.get(child, child) for child in node.inputs]))
        moved.add(node)
    return [new.get(node, node) for node in targets]
