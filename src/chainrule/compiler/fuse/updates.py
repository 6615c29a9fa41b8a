"""Nodes that update state in place, after everything that reads the old state.

    m' = β·m + (1-β)·g;  w' = w - lr·m'        →   late nodes {…}: written over m and w

An update is late if it is elementwise from the state to its new value and no early node depends on
it; so is the elementwise work that only it needs.
Example: `updates(graph, pairs)` for pairs (old state, new value).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from chainrule.compiler.shared.access import aligned, is_view, origin, virtual
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered
from chainrule.ops.record import Map

Pair = tuple[Node, Node]


def updates(
    graph: Graph, pairs: Sequence[Pair], early: Sequence[Node] = ()
) -> tuple[set[Node], set[Node]]:
    """The late nodes, and the states among `pairs` that their new values may overwrite.

    What the nodes in `early` need is never late.
    """
    order = ordered(graph)
    regions = {state: _region(state, new) for state, new in pairs}
    position = {node: i for i, node in enumerate(order)}
    cores = {state: _reading(state, nodes, position) for state, nodes in regions.items()}
    chosen = {state for state, nodes in cores.items() if nodes}
    while True:
        late = set[Node]().union(*(regions[s] for s in chosen))
        wrong = _needed_early(order, late, early)
        if wrong:
            chosen -= {s for s in chosen if cores[s] & wrong}
            for region in regions.values():  # what does not read the state may as well be early
                region.difference_update(wrong)
            continue
        bad = _read_elsewhere(regions, chosen, late)
        if not bad:
            return late, chosen
        chosen -= bad


def clusters(late: Collection[Node], order: Sequence[Node]) -> dict[Node, int]:
    """Late nodes that one kernel computes for sure, with the number of their cluster.

    A cluster is elementwise work of one shape, connected by its nodes and their operands: the
    update of one parameter and its optimiser state. Late nodes connected to other work form none.
    """
    root: dict[Node, Node] = {}

    def find(node: Node) -> Node:
        while (up := root.setdefault(node, node)) is not node:
            root[node] = root[up]
            node = up
        return node

    mixed = set[Node]()
    members = [node for node in order if node in late]
    for node in members:
        plain = isinstance(node.op.lower, Map)
        for child in node.inputs:
            source = origin(child, ())
            same = source is child and child.type == node.type and not virtual(child)
            if same or source in late:
                root[find(source)] = find(node)
                plain = plain and source is child and child.shape == node.shape
        if not plain:
            mixed.add(node)
    wrong = {find(node) for node in mixed}
    number: dict[Node, int] = {}
    return {
        node: number.setdefault(find(node), len(number))
        for node in members
        if find(node) not in wrong
    }


def _region(state: Node, new: Node) -> set[Node]:
    """The elementwise nodes from which a new value is computed."""
    found: set[Node] = set()
    written = new
    while "in-place" in written.op.traits:
        found.add(written)
        written = origin(written.inputs[0], ())
    if found:
        return found if written is state else set()
    pending = [new]
    while pending:
        node = pending.pop()
        if node in found or node.op is INPUT or virtual(node) or is_view(node):
            continue
        if node.array.size != new.array.size:
            continue
        if isinstance(node.op.lower, Map):
            found.add(node)
            pending.extend(node.inputs)
        elif "slots" in node.op.traits:  # a gradient's rows, read where they are needed
            found.add(node)
    return found


def _reading(state: Node, region: set[Node], position: Mapping[Node, int]) -> set[Node]:
    """The nodes of a region on the way from the state to its new value."""
    found = {state}
    for node in sorted(region, key=position.__getitem__):
        if any(child in found for child in node.inputs):
            found.add(node)
    return found - {state}


def _read_elsewhere(
    regions: Mapping[Node, set[Node]], chosen: set[Node], late: set[Node]
) -> set[Node]:
    """States whose old value a late node may read after, or at other places than, it is replaced.

    Safe is a node on the way to the state's own new value that reads it element by element.
    """
    bad: set[Node] = set()
    for node in late:
        for child in node.inputs:
            state = origin(child, ())
            if state in chosen and not (node in regions[state] and aligned(child, state)):
                bad.add(state)
    return bad


def _needed_early(order: Sequence[Node], late: set[Node], early: Sequence[Node]) -> set[Node]:
    """Late nodes that some computed node outside, or one in `early`, depends on."""
    wrong: set[Node] = {origin(node, late) for node in early} & late
    behind: dict[Node, set[Node]] = {}
    for node in order:
        if late.isdisjoint(node.inputs) and behind.keys().isdisjoint(node.inputs):
            continue
        if node in late:
            continue
        reached: set[Node] = set()
        for child in node.inputs:
            reached |= {child} if child in late else behind.get(child, set())
        if is_view(node):
            behind[node] = reached
        else:
            wrong |= reached
    return wrong
