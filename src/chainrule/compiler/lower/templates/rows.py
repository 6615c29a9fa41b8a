"""Row kernels: elementwise work over a domain, with reductions along its last axis.

Without reductions, as many axes as possible merge into one. With them, the columns are walked once
per level: a first pass finds the maximum, a second the sum of exponentials, a third writes. A row
that fits in registers is walked once, and what is costly to compute twice stays in scratch.
Example: layer normalisation forward is one kernel that reads x and writes the result.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.lower.templates.accumulate import (
    STEP,
    fold_in_blocks,
    identity,
    masked,
    wide_constant,
)
from chainrule.compiler.lower.templates.site import Site, Tiles, gathered_index, gathered_rows
from chainrule.compiler.shared.access import access, origin, through, virtual
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import INPUT, Node
from chainrule.kernel.index import Index, as_index
from chainrule.ops.record import Reduce

_CHUNK = 4096  # elements that a task of a flat kernel covers
TASK = 8192  # elements that a task of a row kernel covers, about
_VECTORS = 4  # of a tile of a flat kernel
_LONG, _VECTORS_OF_LONG = 3, 2  # exponentials and the like: as fast, with half the code
_IN_REGISTERS = 8  # vectors of a row that stay in registers


class RowGroup(NamedTuple):
    """A row kernel's source: nodes in order, those that are stored, and the domain."""

    domain: Shape
    inner: int | None
    nodes: tuple[Node, ...]
    stores: tuple[Node, ...]


def rows(group: RowGroup, homes: dict[Node, Home], lanes: int) -> Work:
    """The kernel of a row group for vectors of `lanes` elements."""
    if group.inner is None:
        return _flat(group, homes, lanes)
    return _RowKernel(group, homes, lanes).write()


def axis_runs(domain: Shape, views: Sequence[View], keep: int = 0) -> list[list[int]]:
    """Runs of neighbouring axes over which every view is even; the last `keep` stay apart."""
    views = [v for v in views if v.shape == domain]
    runs: list[list[int]] = []
    end = len(domain) - keep
    for i in range(len(domain)):
        if 0 < i < end and all(
            v.strides[i - 1] == v.strides[i] * domain[i] or domain[i - 1] == 1 for v in views
        ):
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def merged_axes(domain: Shape, views: Sequence[View], keep: int = 0) -> Shape:
    """The domain with each of its `axis_runs` as one axis."""
    return tuple(shapes.size([domain[i] for i in run]) for run in axis_runs(domain, views, keep))


def views_of(
    nodes: Sequence[Node], inside: set[Node], homes: dict[Node, Home], domain: Shape
) -> list[View]:
    """The views over `domain` through which the nodes' operands are read, where they fill it."""
    found = []
    known: ChainMap[Node, Any] = ChainMap(homes, dict.fromkeys(inside))
    for child in {c: None for node in nodes for c in node.inputs}:
        source = origin(child, known)
        if source in inside:
            continue
        if virtual(source):
            reached = access(child, known)
            view = None if reached is None else reached.view
        else:
            view = through(homes[source].view, child, source)
        wide = None if view is None else view.reshape(domain)
        if wide is not None:
            found.append(wide)
    return found


def _flat(group: RowGroup, homes: dict[Node, Home], lanes: int) -> Work:
    """No reductions: one loop over merged axes, the last of them in vectors."""
    w = Writer("map")
    views = views_of(group.nodes, set(group.nodes), homes, group.domain)
    views += gather_views(group.nodes, homes, group.domain)
    views += [v for n in group.stores if (v := homes[n].view.reshape(group.domain))]
    domain = merged_axes(group.domain, views) or (1,)
    last = len(domain) - 1
    costly = sum(node.op.cost != "cheap" for node in group.nodes)
    vectors = _VECTORS if costly < _LONG else _VECTORS_OF_LONG
    tile = min(vectors * lanes, -(-max(domain[-1], 1) // lanes) * lanes)
    over = writes_over(group, homes)

    def columns(at: tuple[Index, ...], start: Index | int, extent: Index) -> None:
        with w.loop(extent, tile, split=True) as j:
            coordinates = (*at, j + start)
            site = Site(domain, coordinates, None, last, (1, tile), Valid(None, count(j)))
            tiles = Tiles(w, site, set(group.nodes).__contains__, homes)
            for node in group.stores if over else ():  # read all before anything is overwritten
                tiles.value(node)
            for node in group.stores:
                tiles.store(node, homes[node])

    if last == 0:
        with w.loop(w.extent(domain[0]), _CHUNK, grid=True) as start:
            columns((), start, count(start))
    else:
        work = domain[-1] * (1 + costly)  # of a row, in cheap elements
        over_axes(w, domain[:-1], work, lambda at: columns(at, 0, w.extent(domain[-1])))
    return w.work()


def writes_over(group: RowGroup, homes: dict[Node, Home]) -> bool:
    """Whether a result is written over an array that the kernel reads."""
    sources = {origin(child, homes) for node in group.nodes for child in node.inputs}
    read = {homes[s].root for s in sources if s in homes and s not in group.nodes}
    return any(homes[node].root in read for node in group.stores)


def over_axes(
    w: Writer, sizes: Shape, inner: int, body: Callable[[tuple[Index, ...]], None]
) -> None:
    """Loops over outer axes around `body`: tasks cover about `TASK` elements each.

    Leading axes make the grid, the last of these in blocks; the axes behind run inside a task.
    """
    axis, rest = len(sizes) - 1, inner
    while axis > 0 and rest * sizes[axis] <= TASK:
        rest *= sizes[axis]
        axis -= 1
    block = max(TASK // max(rest, 1), 1)

    def descend(at: tuple[Index, ...]) -> None:
        now = len(at)
        if now == len(sizes):
            body(at)
        elif now == axis and block > 1:
            with w.blocks(w.extent(sizes[now]), block) as i:
                descend((*at, i))
        else:
            with w.loop(w.extent(sizes[now]), grid=now <= axis) as i:
                descend((*at, i))

    descend(())


def is_gather(node: Node) -> bool:
    """Whether the node reads rows of a table by index."""
    return node.op is not INPUT and getattr(node.op.lower, "name", None) == "gather"


def gather_views(nodes: Sequence[Node], homes: dict[Node, Home], domain: Shape) -> list[View]:
    """Views that keep a gather's index axes apart from the rest of its row."""
    gathers = filter(is_gather, nodes)
    views = [v for n in gathers for v in (gathered_index(n, homes)[1], gathered_rows(n, homes)[2])]
    return [wide for view in views if (wide := view.reshape(domain)) is not None]


class _RowKernel:
    """Writes a kernel with reductions; the state is what the passes share."""

    def __init__(self, group: RowGroup, homes: dict[Node, Home], lanes: int) -> None:
        self.group, self.homes, self.lanes = group, homes, lanes
        self.w = Writer("rows")
        self.inside = set(group.nodes)
        self.known: ChainMap[Node, Any] = ChainMap(homes, dict.fromkeys(self.inside))
        self.columns = group.domain[-1]
        self.full = {n for n in group.nodes if n.array.size == shapes.size(group.domain)}
        if self.columns == 1:
            self.full = {n for n in self.full if not self._behind_reduction(n)}
        views = views_of(group.nodes, self.inside, homes, group.domain)
        views += gather_views(group.nodes, homes, group.domain)
        views += [
            v for n in group.stores if n in self.full and (v := homes[n].view.reshape(group.domain))
        ]
        views += self._row_views()
        self.domain = merged_axes(group.domain, views, keep=1)
        self.gathers = any(map(is_gather, group.nodes))
        self._choose_tile()
        self.level = self._levels()

    def _behind_reduction(self, node: Node) -> bool:
        reduced = {n for n in self.group.nodes if isinstance(n.op.lower, Reduce)}
        seen, pending = set(), [node]
        while pending:
            n = pending.pop()
            if n in reduced:
                return True
            if n not in seen:
                seen.add(n)
                pending.extend(n.inputs)
        return False

    def _row_views(self) -> list[View]:
        """Views of stored per-row values, with stride 0 along the row."""
        outer = self.group.domain[:-1]
        found = [
            v
            for node in self.group.stores
            if node not in self.full and (v := self.homes[node].view.reshape(outer))
        ]
        by_row = [n for n in self.group.nodes if self._in_row(n)]
        found += views_of(by_row, self.inside, self.homes, outer)
        found += gather_views(by_row, self.homes, outer)
        return [View(self.group.domain, (*v.strides, 0), v.offset) for v in found]

    def _choose_tile(self) -> None:
        vectors = -(-self.columns // self.lanes)
        self.whole = vectors <= _IN_REGISTERS
        if self.whole:
            self.width = max(vectors, 1) * self.lanes
            self.height = 4 if vectors <= 1 else 2 if vectors <= 4 else 1
        else:
            self.width, self.height = 4 * self.lanes, 1
        if self.gathers or len(self.domain) == 1 or self.domain[-2] < self.height:
            self.height = 1
        block = max(TASK // max(self.columns, 1), 1)
        self.block = -(-block // self.height) * self.height

    # -- loops --------------------------------------------------------------------------------

    def write(self) -> Work:
        w, outer = self.w, self.domain[:-1]
        if not outer:
            with w.loop(1, grid=True):
                self._row((), None, None)
        elif self.height == 1:
            over_axes(w, outer, self.columns, lambda at: self._row(at, None, None))
        else:
            self._tall([])
        return w.work()

    def _tall(self, at: list[Index]) -> None:
        """Tiles of several rows along the last outer axis."""
        w, outer = self.w, self.domain[:-1]
        if len(at) < len(outer) - 1:
            with w.loop(w.extent(outer[len(at)]), grid=True) as i:
                self._tall([*at, i])
            return
        extent = w.extent(outer[-1])
        with (
            w.loop(extent, w.block(self.block), grid=True) as start,
            w.loop(count(start), self.height, split=True) as r,
        ):
            self._row((*at, start + r), len(outer) - 1, count(r))

    def _row(self, at: tuple[Index, ...], axis: int | None, valid: Index | None) -> None:
        """All passes over a tile of rows."""
        outer = self.domain[:-1]
        site = Site(outer, at, axis, None, (self.height, 1), Valid(valid, None))
        row = Tiles(self.w, site, self._in_row, self.homes)
        waiting = [n for n in self.group.nodes if isinstance(n.op.lower, Reduce)]
        stores = [n for n in self.group.stores if n in self.full]
        for now in range(max(self.level.values()) + 1):
            for node in self.group.nodes:
                if self._in_row(node) and self.level[node] == now:
                    row.value(node)
            reduce_now = [n for n in waiting if self.level[n] == now]
            store_now = [n for n in stores if self.level[n] == now]
            self._pass(row, at, axis, valid, reduce_now, store_now)
        for node in self.group.stores:
            if node not in self.full:
                row.store(node, self.homes[node])

    def _in_row(self, node: Node) -> bool:
        return (
            node in self.inside and node not in self.full and not isinstance(node.op.lower, Reduce)
        )

    def _levels(self) -> dict[Node, int]:
        """The pass in which each node can be computed: one after the reductions it needs."""
        level: dict[Node, int] = {}
        for node in self.group.nodes:
            below = [level[c] + isinstance(c.op.lower, Reduce) for c in self._inputs(node)]
            level[node] = max(below, default=0)
        return level

    def _inputs(self, node: Node) -> list[Node]:
        found = []
        for child in node.inputs:
            seen = origin(child, self.known)
            if seen in self.inside:
                found.append(seen)
        return found

    # -- one pass -----------------------------------------------------------------------------

    def _pass(
        self,
        row: Tiles,
        at: tuple[Index, ...],
        axis: int | None,
        valid: Index | None,
        reductions: list[Node],
        stores: list[Node],
    ) -> None:
        if not reductions and not stores:
            return
        w, shape = self.w, (self.height, self.width)
        starts = [wide_constant(w, identity(n), n.dtype, shape) for n in reductions]

        def body(j: Index, carried: list[str], limit: Index) -> list[str]:
            site = Site(
                self.domain, (*at, j), axis, len(self.domain) - 1, shape, Valid(valid, limit)
            )
            tiles = self._columns(row, site)
            following = []
            for node, carry in zip(reductions, carried, strict=True):
                value = masked(w, tiles.value(node.inputs[0]), self.width, limit, node)
                following.append(w(STEP[node.op.lower.monoid], carry, value))
            for node in stores:
                tiles.store(node, self.homes[node])
            return following

        if self.whole:
            ends = body(as_index(0), starts, as_index(self.columns))
        else:
            extent = w.extent(self.columns)
            ends = fold_in_blocks(w, extent, self.columns, self.width, reductions, starts, body)
        for node, tile in zip(reductions, ends, strict=True):
            row.known[node] = w.reduce(node.op.lower.monoid, tile, 1)

    def _columns(self, row: Tiles, site: Site) -> Tiles:
        """The tiles of this pass; rows in registers keep theirs from pass to pass."""
        if self.whole:
            kept = getattr(row, "columns", None)
            if kept is None:
                kept = Tiles(self.w, site, self.full.__contains__, self.homes, outer=row)
                row.columns = kept  # type: ignore[attr-defined]
            return kept
        return Tiles(self.w, site, self.full.__contains__, self.homes, outer=row)
