"""Fusion: which nodes are computed by one kernel.

    a = x·w; b = a + y; c = Σ_last b; d = b / c   →   one row group {a, b, c, d}, storing d only
    z = x@w; h = gelu(z + bias)                   →   one product group with an epilogue

Nodes are visited inputs first; each joins the youngest group of its producers that it fits, if no
path leads out of that group and back. Kinds: `rows` (elementwise work over a domain, reductions of
its last axis), `columns` (reductions of other axes), `fold` (of a vector), `product`, `template`.
Example: `group(graph, late)` returns the groups in an order in which they can run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.fuse.paths import Paths
from chainrule.compiler.fuse.updates import clusters
from chainrule.compiler.fuse.weight import MOST, best_cut, weight
from chainrule.compiler.shared.access import (
    access,
    aligned,
    is_elementwise,
    is_view,
    refine,
    size_of,
    virtual,
)
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import attributes
from chainrule.graph.walk import ordered, uses
from chainrule.ops.record import Contract, IndexMap, Pieces, Reduce, Template


@dataclass(eq=False)
class Group:
    """Nodes computed by one kernel.

    `domain` is its iteration space, `inner` the length of its rows if it reduces along them.
    """

    number: int
    kind: str
    domain: Shape
    nodes: list[Node] = field(default_factory=list)
    inner: int | None = None
    ancestors: int = 0  # bit set of group numbers it depends on
    late: bool = False
    weight: int = 0  # instructions for one vector of all nodes
    passes: int = 1  # over a row: one more than the reductions that follow from each other

    @property
    def size(self) -> int:
        """The code of its kernel, in instructions: each pass may compute everything again."""
        return self.weight * self.passes


class _Grouping:
    def __init__(self, graph: Graph, late: Collection[Node], views: Mapping[Node, View]) -> None:
        self.views = views
        self.order = ordered(graph)
        self.users = uses(self.order)
        self.outputs = set(graph.outputs)
        self.late = set(late)
        self.groups: list[Group] = []
        self.paths = Paths()
        self.of: dict[Node, Group] = {}
        self.level: dict[Node, int] = {}  # reductions of its group that a node comes after
        self.readers: dict[Node, dict[Group, None]] = {}  # stored node → row groups that read it
        self.cluster = clusters(self.late, self.order)
        self.updating: dict[int, Group] = {}  # of each cluster
        self.behind_of: dict[Node, list[Node]] = {}
        self.producers_of: dict[Node, list[Node]] = {}
        self.weights: dict[Any, int] = {}  # by all that they depend on

    # -- producers --------------------------------------------------------------------------

    def producers(self, node: Node) -> list[Node]:
        """The computed nodes behind the operands, looking through views."""
        found = self.producers_of.get(node)
        if found is None:  # what is behind them was visited before
            found = self.producers_of[node] = []
            for child in self.behind(node):
                several = "projection" in child.op.traits
                found.append(child.inputs[0] if several else child)
        return found

    def behind(self, node: Node) -> list[Node]:
        """The nodes behind the operands, looking through views."""
        found = self.behind_of.get(node)
        if found is None:
            found = self.behind_of[node] = []
            for child in node.inputs:
                while type(child.op.lower) is IndexMap and child not in self.of:
                    child = child.inputs[0]  # noqa: PLW2901 - walking down
                found.append(child)
        return found

    def depends(self, node: Node) -> int:
        """The groups that a new group of `node` would depend on."""
        bits = 0
        for p in self.producers(node):
            g = self.of.get(p)
            if g is not None:
                bits |= g.ancestors | (1 << g.number)
        return bits

    def joins(self, node: Node, g: Group, kind: str) -> bool:
        """Whether adding `node` to `g` is possible: shapes, registers, no cycle."""
        if (node in self.late) != g.late or g.kind not in {"rows", "product"}:
            return False
        if g.kind == "product" and self.only_reduced(node):
            return False
        domain = self.fit(node, g, kind)
        if domain is None:
            return False
        me = 1 << g.number
        for p in self.producers(node):
            h = self.of.get(p)
            if h is not None and h is not g and h.ancestors & me:
                return False
        if g.kind == "product" and not self.fits_epilogue(node, g):
            return False
        return self.reads_own(node, g, domain, self.inner_after(node, g, kind))

    def reads_own(self, node: Node, g: Group, domain: Shape, inner: int | None) -> bool:
        """Whether what `node` reads of group `g` is its own element, or its own row's."""
        within = [
            (child, p)
            for child, p in zip(node.inputs, self.behind(node), strict=True)
            if self.of.get(p) is g
        ]
        if within and isinstance(node.op.lower, Template):
            return False  # a gather reads anywhere
        return all(child is p or aligned(child, p, domain, inner) for child, p in within)

    def fits_epilogue(self, node: Node, g: Group) -> bool:
        """Whether all operands follow the axes of a product by strides."""
        if refine(g.domain, node.shape) == g.domain:
            return True
        reached = [access(child, self.of, self.views) for child in node.inputs]
        over = all(a is not None and a.reshape(g.domain) for a in reached)
        return over and not isinstance(node.op.lower, Template)

    def only_reduced(self, node: Node) -> bool:
        """Whether only reductions of rows read the node: then it belongs to them."""
        users = self.users[node]
        return (
            bool(users)
            and node not in self.outputs
            and all(isinstance(u.op.lower, Reduce) for u in users)
        )

    def inner_after(self, node: Node, g: Group, kind: str) -> int | None:
        return node.inputs[0].shape[-1] if kind == "reduce" else g.inner

    def fit(self, node: Node, g: Group, kind: str) -> Shape | None:
        """The group's domain with the node in it, or None."""
        total = shapes.size(g.domain)
        if kind == "reduce":
            x = node.inputs[0]
            if g.kind != "rows" or x.array.size != total:
                return None
            if g.inner is not None and g.inner != x.shape[-1]:
                return None
            return self.keep_rows(refine(g.domain, x.shape), x.shape[-1])
        if node.array.size == total:
            domain = refine(g.domain, node.shape)
            if g.kind == "product":
                return g.domain if domain is not None else None
            return domain if g.inner is None else self.keep_rows(domain, g.inner)
        rows = total // g.inner if g.inner else None
        if rows is not None and node.array.size == rows:
            domain = refine(g.domain[:-1], node.shape)
            return None if domain is None else (*domain, g.domain[-1])
        return None

    @staticmethod
    def keep_rows(domain: Shape | None, inner: int) -> Shape | None:
        """A domain whose last axis is still the whole row."""
        if domain is None:
            return None
        return domain if inner == (domain[-1] if domain else 1) else None

    # -- visiting ---------------------------------------------------------------------------

    def run(self) -> list[Group]:
        for node in self.order:
            self.visit(node)
        return self.groups

    def visit(self, node: Node) -> None:
        lower, cluster = node.op.lower, self.cluster.get(node)
        if cluster is not None:
            known = self.updating.get(cluster)
            g = None if known is None else self.with_room(node, known)
            if g is not None:
                self.add(node, g)
            self.updating[cluster] = g or self.start(node, "rows", node.shape)
        elif node.op is INPUT or virtual(node) or "projection" in node.op.traits:
            return
        elif is_elementwise(node):
            self.place(node, "map")
        elif isinstance(lower, IndexMap):
            if access(node, self.of, self.views) is None:
                self.start(node, "rows", node.inputs[0].shape)  # a copy
        elif isinstance(lower, Reduce):
            self.reduction(node)
        elif isinstance(lower, Contract):
            self.start(node, "product", node.shape)
        elif isinstance(lower, Pieces):
            self.start(node, "pieces", node.shape)
        else:
            self.start(node, "template", ())

    def place(self, node: Node, kind: str) -> None:
        for candidate in self.candidates(node):
            g = self.room(node, candidate, kind)
            if g is not None:
                self.join(node, g, kind)
                self.gather_producers(node, g)
                return
        if kind == "reduce":
            x = node.inputs[0]
            g = self.start(node, "rows", x.shape)
            g.inner = x.shape[-1]
        else:
            self.start(node, "rows", node.shape)

    def candidates(self, node: Node) -> list[Group]:
        """Groups of producers, youngest first, then groups that read what the node reads."""
        producers = self.producers(node)
        own = {self.of[p].number: self.of[p] for p in producers if p in self.of}
        out = dict.fromkeys([own[n] for n in sorted(own, reverse=True)])
        for p in producers:
            known = self.readers.get(p)
            if not known or size_of(p) != size_of(node):
                continue  # sharing a number is no reason to be one kernel
            for g in known:
                if g not in out and self.sibling_fits(node, g):
                    out[g] = None
        return list(out)

    def sibling_fits(self, node: Node, g: Group) -> bool:
        """A sibling joins at the same size, if it waits for nothing that `g` does not wait for.

        Among single numbers the waits must be equal: else a number that is known early, and what
        it is good for, would wait for the rest of its group.
        """
        size, waits = shapes.size(g.domain), self.depends(node)
        if node.array.size != size:
            return False
        return waits == g.ancestors if size == 1 else not waits & ~g.ancestors

    def join(self, node: Node, g: Group, kind: str) -> None:
        domain = self.fit(node, g, kind)
        assert domain is not None
        g.domain = domain
        g.inner = self.inner_after(node, g, kind)
        self.add(node, g)

    def add(self, node: Node, g: Group) -> None:
        """Put a node into a group that it fits, after all others."""
        g.nodes.append(node)
        self.of[node] = g
        g.weight += self.weight(node)
        self.note_level(node, g)
        self.paths.follow(g, self.sources(node, g))
        self.note_reads(node, g)

    def sources(self, node: Node, g: Group) -> list[Group]:
        """The other groups that compute what `node` of group `g` reads."""
        found = [self.of.get(p) for p in self.producers(node)]
        return [h for h in found if h is not None and h is not g]

    def weight(self, node: Node) -> int:
        """Instructions for one vector of the node; products and templates have their own bounds."""
        if not (is_elementwise(node) or isinstance(node.op.lower, Reduce)):
            return 1
        key = node.op, node.type, tuple([c.type for c in node.inputs]), attributes(node)
        found = self.weights.get(key)
        if found is None:
            found = self.weights[key] = weight(node)
        return found

    def note_level(self, node: Node, g: Group) -> None:
        own = [p for p in self.behind(node) if self.of.get(p) is g]
        level = max([self.level[p] + isinstance(p.op.lower, Reduce) for p in own], default=0)
        self.level[node] = level
        g.passes = max(g.passes, level + 1)

    # -- bounds -------------------------------------------------------------------------------

    def room(self, node: Node, g: Group, kind: str) -> Group | None:
        """The group that `node` joins if it fits `g`: `g`, or the back of it where it is cut."""
        if not self.joins(node, g, kind):
            return None
        found = self.with_room(node, g)
        return found if found is None or found is g or self.joins(node, found, kind) else None

    def with_room(self, node: Node, g: Group) -> Group | None:
        """The group, or the back of it where it has grown so large that it must be cut.

        None where it must be and is no more than a product's epilogue, or others wait for it.
        """
        if (g.weight + self.weight(node)) * g.passes <= MOST or len(g.nodes) == 1:
            return g
        return None if g.kind != "rows" or self.paths.is_followed(g) else self.cut(g)

    def cut(self, g: Group) -> Group:
        """Cut a group in two where little is read across; the part behind is a new group."""
        at = best_cut([self.weight(n) for n in g.nodes], self.crossing(g), MOST // g.passes)
        back = self.begin("rows", g.domain, late=g.late)
        self.paths.cut(g, back)
        both, inner, whole = g.nodes, g.inner, shapes.size(g.domain)
        for part, nodes in ((g, both[:at]), (back, both[at:])):
            rows = any(isinstance(n.op.lower, Reduce) or size_of(n) != whole for n in nodes)
            part.nodes, part.weight, part.passes = nodes, 0, 1
            part.inner = inner if rows else None
            for node in nodes:
                self.of[node] = part
            for node in nodes:
                part.weight += self.weight(node)
                self.note_level(node, part)
        for node in back.nodes:
            self.note_reads(node, back)
        return back

    def crossing(self, g: Group) -> list[int]:
        """The bytes that are read across the place behind each node of a group."""
        last: dict[Node, int] = {}
        for i, node in enumerate(g.nodes):
            last |= dict.fromkeys([p for p in self.behind(node) if self.of.get(p) is g], i)
        found, open_ = [], 0
        ends: dict[int, int] = {}
        for i, node in enumerate(g.nodes):
            if node in last:
                open_ += node.array.nbytes
                ends[last[node]] = ends.get(last[node], 0) + node.array.nbytes
            open_ -= ends.get(i, 0)
            found.append(open_)
        return found

    # -- merging ----------------------------------------------------------------------------

    def gather_producers(self, node: Node, g: Group) -> None:
        """Take the row groups that feed `node` into its group, where that is possible."""
        for p in self.producers(node):
            h = self.of.get(p)
            if h is not None and h is not g and g.kind == "rows" and self.mergeable(h, g):
                self.merge(h, g)

    def mergeable(self, h: Group, g: Group) -> bool:
        """Whether group `h` can be computed inside `g`: shapes, size, no path around."""
        if h.kind != "rows" or h.late != g.late or not h.nodes:
            return False
        if (h.weight + g.weight) * (h.passes + g.passes) > MOST:
            return False
        if g.ancestors & ~(h.ancestors | 1 << h.number) and self.read_elsewhere(h, g):
            return False
        if self.merged_domain(h, g) is None or h.ancestors & (1 << g.number):
            return False
        if self.paths.between(h, g):
            return False
        domain, inner = self.merged_domain(h, g) or ((), None)
        return all(self.reads_own(node, h, domain, inner) for node in g.nodes)

    def read_elsewhere(self, h: Group, g: Group) -> bool:
        """Whether someone else reads `h` too, and would then wait for all of `g`."""
        return any(
            self.of.get(reader) not in {g, h} for node in h.nodes for reader in self.consumers(node)
        )

    def consumers(self, node: Node) -> Iterator[Node]:
        """The computing nodes that read a node, looking through views."""
        pending = [iter(self.users[node])]
        while pending:
            for user in pending[-1]:
                if is_view(user) and user not in self.of:
                    pending.append(iter(self.users[user]))
                    break
                yield user
            else:
                pending.pop()

    def merged_domain(self, h: Group, g: Group) -> tuple[Shape, int | None] | None:
        """The domain and row length of both groups as one, or None."""
        if shapes.size(h.domain) == shapes.size(g.domain):
            if h.inner is not None and g.inner is not None and h.inner != g.inner:
                return None
            inner = g.inner if h.inner is None else h.inner
            domain = refine(g.domain, h.domain)
            kept = domain if inner is None else self.keep_rows(domain, inner)
            return None if kept is None else (kept, inner)
        rows = shapes.size(g.domain) // g.inner if g.inner else None
        if h.inner is None and rows == shapes.size(h.domain):
            outer = refine(g.domain[:-1], h.domain)
            return None if outer is None else ((*outer, g.domain[-1]), g.inner)
        return None

    def merge(self, h: Group, g: Group) -> None:
        """Move everything of `h` to `g`."""
        found = self.merged_domain(h, g)
        assert found is not None
        g.domain, g.inner = found
        g.nodes, moved = [*h.nodes, *g.nodes], h.nodes
        g.weight += h.weight
        h.nodes = []
        for node in moved:
            self.of[node] = g
        for node in g.nodes:
            self.note_level(node, g)
        self.paths.merge(h, g)
        for known in [self.readers.get(p, {}) for node in moved for p in self.producers(node)]:
            if h in known:
                del known[h]
                known[g] = None

    def start(self, node: Node, kind: str, domain: Shape) -> Group:
        g = self.begin(kind, domain, late=node in self.late)
        self.add(node, g)
        return g

    def begin(self, kind: str, domain: Shape, *, late: bool) -> Group:
        g = Group(len(self.groups), kind, domain, late=late)
        self.groups.append(g)
        self.paths.begin(g)
        return g

    def note_reads(self, node: Node, g: Group) -> None:
        if g.kind == "rows":
            for p in self.producers(node):
                if self.of.get(p) is not g and not virtual(p):
                    self.readers.setdefault(p, {}).setdefault(g)

    def reduction(self, node: Node) -> None:
        x = node.inputs[0]
        rank, axes = len(x.shape), node.attrs["axes"]
        if axes == (rank - 1,) and rank > 1:
            self.place(node, "reduce")
            return
        self.start(node, "fold" if rank == 1 else "columns", x.shape)


def group(
    graph: Graph, late: Collection[Node] = (), views: Mapping[Node, View] | None = None
) -> list[Group]:
    """The groups of a graph, numbered in order of creation (not yet an execution order).

    `late` nodes update outside state and stay in groups of their own.
    """
    return [g for g in _Grouping(graph, late, views or {}).run() if g.nodes]
