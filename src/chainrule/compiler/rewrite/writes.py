"""A write through a view costs the elements it writes, not a copy of the base.

    b1 = overlay(b0, x; 0:4);  b2 = overlay(b1, y; 4:6);  slice(b2; 0:4)   →   x
    b2, of which the writes cover everything                               →   concat(x, y)
    overlay(overlay(b0, x; 0:4), z; 0:4)                                   →   overlay(b0, z; 0:4)

A read of a region that was written gives the written value. A read of the whole base makes it from
the last value of each region, starting from the last version that was made. Writes form a chain of
versions as long as their regions are equal or disjoint runs of elements, rows or columns; another
write begins a new chain. An overlay that is left in a loop is decomposed, for passes that know
elementwise work only. Example: `forward_writes(graph)`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.shared.bodies import in_bodies
from chainrule.graph.node import Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.graph.walk import ordered
from chainrule.ops.layout import concat, overlay, reshape, slice_
from chainrule.ops.record import Symbolic

_FLAT = -1  # the axis of a run of elements in row-major order


def forward_writes(graph: Graph) -> Graph:
    """Rewrite the overlays of a graph, and of the bodies of its loops."""
    return in_bodies(_in_body, _forwarded(graph))


def _in_body(body: Graph) -> Graph:
    return in_bodies(_in_body, rewrite(_forwarded(body), _spelled_out))


def _spelled_out(node: Node) -> Node | None:
    return overlay.decompose(Symbolic(node.source), node) if node.op is overlay else None


class _Run(NamedTuple):
    """A region: positions start … stop - 1 along an axis, or of the flat array."""

    axis: int
    start: int
    stop: int


def _run(shape: Shape, region: Shape, node: Node) -> _Run | None:
    """A strided region of an array as a run, or None."""
    start, step = node.attrs["start"], node.attrs["step"]
    if not shapes.size(region) or any(s != 1 for s, n in zip(step, region, strict=True) if n > 1):
        return None
    axes = [i for i, n in enumerate(region) if n != shape[i]] or [0]
    if len(axes) == 1 and shape:
        (axis,) = axes
        return _Run(axis, start[axis], start[axis] + region[axis])
    at = View.whole(shape).slice(start, (1,) * len(shape), region)
    if not at.is_contiguous:
        return None
    return _Run(_FLAT, at.offset, at.offset + shapes.size(region))


class _Versions:
    """A base with its versions: number 0 is the base itself, each write makes one more."""

    def __init__(self, base: Node, axis: int) -> None:
        self.base, self.axis = base, axis
        self.starts: list[int] = []  # of all runs, in order
        self.stops: list[int] = []
        self.numbers: dict[int, list[int]] = {}  # start → the versions that wrote there
        self.values: dict[int, list[Node]] = {}  # start → what they wrote
        self.log: list[int] = []  # start of each write
        self.made: list[tuple[int, Node]] = [(0, base)]  # versions that exist as a whole

    def accepts(self, run: _Run) -> bool:
        """Whether a run is known, or disjoint from all that are."""
        at = bisect_left(self.starts, run.start)
        if run.axis != self.axis:
            return False
        if at < len(self.starts) and self.starts[at] == run.start:
            return self.stops[at] == run.stop
        before, after = self.stops[at - 1 : at], self.starts[at : at + 1]
        return (not before or before[0] <= run.start) and (not after or run.stop <= after[0])

    def write(self, run: _Run, value: Node) -> int:
        """The number of the version after a write."""
        if run.start not in self.numbers:
            at = bisect_left(self.starts, run.start)
            self.starts.insert(at, run.start)
            self.stops.insert(at, run.stop)
            self.numbers[run.start], self.values[run.start] = [], []
        self.log.append(run.start)
        self.numbers[run.start].append(len(self.log))
        self.values[run.start].append(value)
        return len(self.log)

    def last(self, start: int, version: int) -> Node | None:
        """The last write to a run, up to a version."""
        count = bisect_right(self.numbers[start], version)
        return self.values[start][count - 1] if count else None

    def whole(self, version: int) -> Node:
        """The version as one array."""
        known = bisect_right(self.made, version, key=lambda pair: pair[0]) - 1
        number, found = self.made[known]
        if number == version:
            return found
        changed = sorted(set(self.log[number:version]))
        written = [(s, value) for s in changed if (value := self.last(s, version)) is not None]
        if self.covers(changed):
            found = self.joined([value for _, value in written])
        else:
            for start, value in written:
                found = self.placed(found, start, value)
        self.made.insert(known + 1, (version, found))
        return found

    def covers(self, starts: Sequence[int]) -> bool:
        """Whether these runs are all of the base."""
        at = 0
        for start in starts:
            if start != at:
                return False
            at = self.stops[bisect_left(self.starts, start)]
        return at == (self.base.array.size if self.axis == _FLAT else self.base.shape[self.axis])

    def joined(self, values: Sequence[Node]) -> Node:
        b = Symbolic(values[0].source)
        if self.axis != _FLAT:
            return b(concat, *values, axis=self.axis)
        flat = b(concat, *(b(reshape, x, shape=(x.array.size,)) for x in values), axis=0)
        return b(reshape, flat, shape=self.base.shape)

    def placed(self, whole: Node, start: int, value: Node) -> Node:
        b, shape = Symbolic(value.source), whole.shape
        if self.axis != _FLAT:
            at = tuple(start if i == self.axis else 0 for i in range(len(shape)))
            return b(overlay, whole, value, start=at, step=(1,) * len(shape))
        flat = b(reshape, whole, shape=(whole.array.size,))
        run = b(reshape, value, shape=(value.array.size,))
        return b(reshape, b(overlay, flat, run, start=(start,), step=(1,)), shape=shape)


class _Written(NamedTuple):
    """The base and version of an overlay."""

    versions: _Versions
    number: int


def _forwarded(graph: Graph) -> Graph:
    order = ordered(graph)
    if not any(node.op is overlay for node in order):
        return graph
    found = _Forwarding()
    for node in order:
        found.visit(node)
    return graph.ending([found.value(node) for node in graph.outputs])


class _Forwarding:
    """New nodes for old ones; overlays become versions, which exist where they are read."""

    def __init__(self) -> None:
        self.done: dict[Node, Node] = {}
        self.written: dict[Node, _Written] = {}

    def value(self, node: Node) -> Node:
        """The node as an array."""
        version = self.written.get(node)
        return self.done[node] if version is None else version.versions.whole(version.number)

    def visit(self, node: Node) -> None:
        if node.op is overlay and self.overlaid(node):
            return
        if node.op is slice_ and node.inputs[0] in self.written:
            self.done[node] = self.read(node)
            return
        self.done[node] = node.on(tuple([self.value(child) for child in node.inputs]))

    def overlaid(self, node: Node) -> bool:
        """Take an overlay as a version, if its region is a run."""
        base, new = node.inputs
        run = _run(base.shape, new.shape, node)
        if run is None:
            return False
        before = self.written.get(base)
        if before is not None:
            versions, number = before
            if number == len(versions.log) and versions.accepts(run):
                self.written[node] = _Written(versions, versions.write(run, self.value(new)))
                return True
        versions = _Versions(self.value(base), run.axis)
        self.written[node] = _Written(versions, versions.write(run, self.value(new)))
        return True

    def read(self, node: Node) -> Node:
        """A slice of a version: the value written there, or that of the base."""
        versions, number = self.written[node.inputs[0]]
        b, attrs = Symbolic(node.source), node.attrs
        run = _run(node.inputs[0].shape, node.shape, node)
        if run is None or not versions.accepts(run):
            return b(slice_, versions.whole(number), **attrs)
        value = versions.last(run.start, number) if run.start in versions.numbers else None
        if value is None:
            return b(slice_, versions.base, **attrs)
        return b(reshape, value, shape=node.shape)
