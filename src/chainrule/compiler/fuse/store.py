"""Stores: the results of a group that are written to memory; others are computed where read.

    columns {Σ_r (a·b)} that alone reads {a·b}    →  one group: the product is never stored
    x - mean, read by three kernels                →  each computes it from x and mean

A node is stored if another group, or the outside, reads it, unless it is cheap and all it reads is
stored anyway. Example: `settle(graph, groups, views)` → nodes and stores per group.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chainrule.base.shapes import View
from chainrule.compiler.fuse.group import Group, group
from chainrule.compiler.shared.access import access, aligned, is_view, refine, virtual
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import ordered
from chainrule.ops.record import Map, Template

_AGAIN = 16  # nodes that are computed again for one that is read, at most
_ELEMENTWISE_KINDS = {"rows", "columns", "fold", "product"}


@dataclass(eq=False)
class Fused:
    """A group as its kernel will be: nodes in order (with those computed again) and its stores."""

    group: Group
    nodes: list[Node]
    stores: list[Node]


def fused_groups(
    graph: Graph,
    views: Mapping[Node, View],
    late: Collection[Node] = (),
    overwritten: Collection[Node] = (),
) -> list[Fused]:
    """The groups of a graph, or of the body of a loop, with what they store."""
    return settle(graph, group(graph, late, views), views, overwritten)


def settle(
    graph: Graph,
    groups: Sequence[Group],
    views: Mapping[Node, View],
    overwritten: Collection[Node] = (),
) -> list[Fused]:
    """Decide what is stored; returns the groups that are left.

    Late groups compute nothing again from states that are `overwritten`: those may be gone.
    """
    return _Settling(graph, groups, views, overwritten).run()


class _Settling:
    def __init__(
        self,
        graph: Graph,
        groups: Sequence[Group],
        views: Mapping[Node, View],
        overwritten: Collection[Node],
    ) -> None:
        self.graph, self.views = graph, views
        self.volatile = set(overwritten)  # states, and what would be computed again from them
        self.order = ordered(graph)
        self.position = {n: i for i, n in enumerate(self.order)}
        self.groups = list(groups)
        self.of = {n: g for g in groups for n in g.nodes}
        self.readers = self._readers()
        self.again: dict[Node, int] = {}  # → how many nodes that takes, those behind it included
        self.outsiders: dict[Node, list[Node | None]] = {}
        self.keepers: dict[Node, int] = {}  # outside readers that read what is stored

    def origin(self, node: Node) -> Node:
        """The computed (or input, or projected) node behind views."""
        while is_view(node) and node not in self.of:
            node = node.inputs[0]
        return node

    def _readers(self) -> dict[Node, list[Node | None]]:
        """For each source the nodes that read it through views; None for the outside."""
        found: dict[Node, list[Node | None]] = {n: [] for n in self.order}
        for node in self.order:
            if is_view(node) and node not in self.of:
                continue
            for child in node.inputs:
                found[self.origin(child)].append(node)
        for out in self.graph.outputs:
            found[self.origin(out)].append(None)
            if self.origin(out) is not out:
                found[out].append(None)
        return found

    def outside(self, node: Node) -> list[Node | None]:
        """Readers that are not in the node's own group; asked for when groups are settled."""
        found = self.outsiders.get(node)
        if found is None:
            found = self.outsiders[node] = self._outside(node)
            self.keepers[node] = sum(r is None or r not in self.again for r in found)
        return found

    def _outside(self, node: Node) -> list[Node | None]:
        g = self.of[node]
        return [r for r in self.readers[node] if r is None or self.of.get(r) is not g]

    # -- absorbing ------------------------------------------------------------------------------

    def run(self) -> list[Fused]:
        for g in self.groups:
            if g.kind in {"columns", "fold"}:
                self.absorb(g)
        self.groups = [g for g in self.groups if g.nodes]
        self.recompute()
        return [fused for g in self.groups if (fused := self.fuse(g)).stores]

    def absorb(self, g: Group) -> None:
        """Take in the elementwise group that only this reduction reads."""
        (node,) = g.nodes
        x = node.inputs[0]
        source = self.origin(x)
        h = self.of.get(source)
        if h is None or h is g or h.kind != "rows" or h.inner is not None or h.late != g.late:
            return
        domain = refine(g.domain, h.domain)
        if domain is None or not aligned(x, source):
            return
        if domain != g.domain:  # a reduction's axes are numbered: its domain stays
            return
        if any(r is not node for n in h.nodes for r in self._outside(n)):
            return
        g.nodes = [*h.nodes, *g.nodes]
        for n in h.nodes:
            self.of[n] = g
        h.nodes = []

    # -- computing again ------------------------------------------------------------------------

    def recompute(self) -> None:
        """Mark cheap nodes whose operands are all at hand wherever they are read."""
        for node in self.order:
            if node in self.of and self._cheap(node) and self._at_hand(node):
                sources = [self.origin(child) for child in node.inputs]
                cost = 1 + sum([self.again.get(source, 0) for source in sources])
                if cost <= _AGAIN:
                    self.compute_again(node, cost, sources)

    def compute_again(self, node: Node, cost: int, sources: Sequence[Node]) -> None:
        self.again[node] = cost
        for source in sources:
            if source in self.keepers and self.of[source] is not self.of[node]:
                self.keepers[source] -= 1
        if self._is_volatile(node):
            self.volatile.add(node)

    def _cheap(self, node: Node) -> bool:
        g = self.of[node]
        if g.kind not in {"rows", "product"} or not isinstance(node.op.lower, Map):
            return False
        if node.op.cost != "cheap":
            return False
        readers = self.outside(node)
        if not readers or g.late:
            return False
        if self._is_volatile(node) and any(self._is_late(r) for r in readers):
            return False
        return all(r is not None and self._reads_elementwise(r, node) for r in readers)

    def _is_volatile(self, node: Node) -> bool:
        return any(self.origin(child) in self.volatile for child in node.inputs)

    def _is_late(self, reader: Node | None) -> bool:
        g = None if reader is None else self.of.get(reader)
        return g is not None and g.late

    def _reads_elementwise(self, reader: Node, node: Node) -> bool:
        """Whether the reader's kernel can compute the node where it would load it."""
        g = self.of.get(reader)
        if g is None or g.kind not in _ELEMENTWISE_KINDS:
            return False
        if g.kind == "product" and reader is g.nodes[0]:
            return False
        if isinstance(reader.op.lower, Template):
            return False
        paths = [c for c in reader.inputs if self.origin(c) is node]
        return all(refine(g.domain, node.shape) == g.domain and aligned(c, node) for c in paths)

    def _at_hand(self, node: Node) -> bool:
        """Operands that are inputs, constants, computed again themselves, or stored anyway."""
        for child in node.inputs:
            source = self.origin(child)
            if source.op is INPUT or virtual(source) or source in self.again:
                continue
            if source not in self.of:
                continue  # a projection: always stored
            if not self.outside(source) or (
                self.of[source] is self.of[node] and not self._kept(source)
            ):
                return False
            if access(child, self.of, self.views) is None:
                return False
        return True

    def _kept(self, node: Node) -> bool:
        """Whether a node of the same group is stored for somebody else than through `node`."""
        return bool(self.outside(node)) and self.keepers[node] > 0

    # -- result -----------------------------------------------------------------------------------

    def fuse(self, g: Group) -> Fused:
        wanted = [n for n in g.nodes if n not in self.again and self.outside(n)]
        nodes: set[Node] = set()
        pending = list(wanted)
        while pending:
            node = pending.pop()
            if node in nodes:
                continue
            nodes.add(node)
            for child in node.inputs:
                source = self.origin(child)
                if source in self.again or self.of.get(source) is g:
                    pending.append(source)
        ordered = sorted(nodes, key=self.position.__getitem__)
        stores = sorted(wanted, key=self.position.__getitem__)
        return Fused(g, ordered, stores)
