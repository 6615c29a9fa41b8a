"""The layout of a nested graph: rectangles for its boxes, and polylines for its edges.

Each group is laid out on its own and is then one box in the group around it, so a module's nodes
stay together at any depth. Within a group boxes are in layers, by the longest path from the start;
labels of edges are between layers; an edge that crosses a layer, or enters the group from outside,
has its own lane there, so that it runs past boxes and not through them.

    at = arrange({"a": size, "b": size}, {"a": (), "b": ("outer",)}, [Edge("a", "b", size)])

Sizes are along the direction of the computation and across it; the caller may turn the picture.
May import `inspect.layering`.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from chainrule.inspect.layering import stack

Path = tuple[str, ...]
_ALONG, _ACROSS, _MARGIN, _LANE = 16.0, 18.0, 14.0, 2.0
_STIFF = 4.0  # how much straighter an edge is in its middle than at its ends


class Size(NamedTuple):
    """The size of a box, along the direction of the computation and across it."""

    along: float
    across: float


_NOTHING = Size(0.0, 0.0)


class Rectangle(NamedTuple):
    """A rectangle: its first corner and its size."""

    x: float
    y: float
    along: float
    across: float


class Edge(NamedTuple):
    """An edge between two boxes: the size of its label, and the weight of its straightness."""

    source: Hashable
    target: Hashable
    label: Size
    pull: float = 1.0


Point = tuple[float, float]


@dataclass
class Arrangement:
    """The rectangles of boxes, groups and labels, the bends of each edge, and the whole size."""

    boxes: dict[Hashable, Rectangle]
    groups: dict[Path, Rectangle]
    labels: list[Rectangle | None]  # of each edge
    bends: list[list[Point]]  # of each edge: points between its two boxes
    size: Size


class _Label(NamedTuple):
    edge: int


class _Bend(NamedTuple):
    lane: Hashable
    layer: int


@dataclass
class _Group:
    """One group laid out from (0, 0) on, before it is moved."""

    size: Size
    boxes: dict[Hashable, Rectangle] = field(default_factory=dict)
    groups: dict[Path, Rectangle] = field(default_factory=dict)
    labels: dict[int, Rectangle] = field(default_factory=dict)
    ways: dict[int, list[Point]] = field(default_factory=dict)  # of each edge, within this group


def arrange(
    sizes: Mapping[Hashable, Size],
    groups: Mapping[Hashable, Path],
    edges: Sequence[Edge],
    title: Size = _NOTHING,
) -> Arrangement:
    """The layout of boxes in their groups; `title` is the height of a group's title."""
    made: dict[Path, _Group] = {}
    paths = {path[:i] for path in groups.values() for i in range(len(path) + 1)} | {()}
    for path in sorted(paths, key=len, reverse=True):
        made[path] = _arranged(path, sizes, groups, edges, made, title)
    boxes: dict[Hashable, Rectangle] = {}
    frames: dict[Path, Rectangle] = {(): Rectangle(0.0, 0.0, *made[()].size)}
    labels: list[Rectangle | None] = [None] * len(edges)
    for path in sorted(paths, key=len):
        x, y = frames[path][:2]
        group = made[path]
        boxes |= {b: _moved(p, x, y) for b, p in group.boxes.items()}
        frames |= {b: _moved(p, x, y) for b, p in group.groups.items()}
        for edge, place in group.labels.items():
            labels[edge] = _moved(place, x, y)
    bends = [list(_bends(i, e, groups, made, frames)) for i, e in enumerate(edges)]
    return Arrangement(boxes, frames, labels, bends, made[()].size)


def _moved(place: Rectangle, x: float, y: float) -> Rectangle:
    return place._replace(x=place.x + x, y=place.y + y)


def _bends(
    number: int,
    edge: Edge,
    groups: Mapping[Hashable, Path],
    made: Mapping[Path, _Group],
    frames: Mapping[Path, Rectangle],
) -> Iterator[Point]:
    """The bends of an edge: out of its groups, across the common one, and in again."""
    a, b = groups[edge.source], groups[edge.target]
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    outer = [a[:i] for i in range(len(a), shared, -1)]
    inner = [b[:i] for i in range(shared + 1, len(b) + 1)]
    for path in (*outer, a[:shared], *inner):
        x, y = frames[path][:2]
        yield from ((px + x, py + y) for px, py in made[path].ways.get(number, ()))


def _arranged(
    path: Path,
    sizes: Mapping[Hashable, Size],
    groups: Mapping[Hashable, Path],
    edges: Sequence[Edge],
    made: Mapping[Path, _Group],
    title: Size,
) -> _Group:
    """The layout of one group, whose inner groups are laid out already."""
    depth = len(path)
    item = {b: b if groups[b] == path else groups[b][: depth + 1] for b in sizes
            if groups[b][:depth] == path}  # fmt: skip
    items: dict[Hashable, Size] = {}
    for box, each in item.items():
        items[each] = sizes[box] if each == box else made[each].size  # type: ignore[index]
    layer = _layers(items, [(item[e.source], item[e.target]) for e in edges
                            if e.source in item and e.target in item])  # fmt: skip
    last = max(layer.values(), default=0)
    chains = dict(_chains(edges, item, layer, last))
    extra = {b: edges[b.edge].label if isinstance(b, _Label) else Size(_LANE, _LANE)
             for chain in chains.values() for b in chain if b not in items}  # fmt: skip
    every = {**items, **extra}
    layers: list[list[Hashable]] = [[] for _ in range(last + 1)]
    for each, at in layer.items():
        layers[at].append(each)
    links: dict[Hashable, dict[Hashable, float]] = {b: {} for b in every}
    for number, chain in chains.items():
        for b in chain:
            if b in extra and not links[b]:
                layers[_layer_of(b, edges[number], item, layer)].append(b)
        for b, c in pairwise(chain):
            both = b in extra and c in extra
            links[b][c] = links[c][b] = _STIFF * edges[number].pull if both else edges[number].pull
    across = stack(layers, links, {b: s.across for b, s in every.items()}, _ACROSS)
    return _placed(path, layers, every, across, chains, title, sizes)


def _layers(
    items: Mapping[Hashable, Size], edges: Sequence[tuple[Hashable, Hashable]]
) -> dict[Hashable, int]:
    """The layer of each item: twice its longest path, sources just before their first use.

    Edges that close a cycle between groups are left out.
    """
    before: dict[Hashable, set[Hashable]] = {i: set() for i in items}
    after: dict[Hashable, set[Hashable]] = {i: set() for i in items}
    for a, b in edges:
        if a != b:
            before[b].add(a)
            after[a].add(b)
    layer: dict[Hashable, int] = {}
    waiting = list(items)  # in the order of the computation
    while waiting:
        ready = [i for i in waiting if all(b in layer for b in before[i])] or waiting[:1]
        for each in ready:
            layer[each] = 2 + max((layer[b] for b in before[each] if b in layer), default=-2)
        done = set(ready)
        waiting = [i for i in waiting if i not in done]
    for each in items:
        if not before[each] and after[each]:
            layer[each] = max(0, min(layer[b] for b in after[each]) - 2)
    return layer


def _chains(
    edges: Sequence[Edge],
    item: Mapping[Hashable, Hashable],
    layer: Mapping[Hashable, int],
    last: int,
) -> Iterator[tuple[int, list[Hashable]]]:
    """The items of each edge in this group: its ends if they are inside, label and bends.

    Edges that only enter, or only leave, share the lanes of their source.
    """
    for number, edge in enumerate(edges):
        a, b = item.get(edge.source), item.get(edge.target)
        chain: list[Hashable]
        if a is not None and b is not None:
            if a == b:
                continue
            chain = [a, b]
            if layer[a] < layer[b]:
                lanes = [_Bend(number, k) for k in range(layer[a] + 2, layer[b])]
                chain = [a, _Label(number), *lanes, b]
        elif b is not None:
            chain = [*(_Bend(("in", edge.source), k) for k in range(layer[b])), b]
        elif a is not None:
            chain = [a, *(_Bend(("out", edge.source), k) for k in range(layer[a] + 1, last + 1))]
        else:
            continue
        yield number, chain


def _layer_of(
    b: Hashable, edge: Edge, item: Mapping[Hashable, Hashable], layer: Mapping[Hashable, int]
) -> int:
    return b.layer if isinstance(b, _Bend) else layer[item[edge.source]] + 1


def _placed(
    path: Path,
    layers: Sequence[Sequence[Hashable]],
    sizes: Mapping[Hashable, Size],
    across: Mapping[Hashable, float],
    chains: Mapping[int, Sequence[Hashable]],
    title: Size,
    boxes_here: Container[Hashable],
) -> _Group:
    """The rectangles, from the centres across and the order of the layers."""
    margin = _MARGIN if path else 8.0
    room = title if path else _NOTHING
    width = max((across[b] + sizes[b].across / 2 for b in across), default=0.0)
    out = _Group(_NOTHING)
    bounds: dict[Hashable, Rectangle] = {}
    x = margin + room.along
    for boxes in layers:
        thickness = max((sizes[b].along for b in boxes), default=0.0)
        for b in boxes:
            along = thickness if isinstance(b, _Bend) else sizes[b].along
            y = across[b] - sizes[b].across / 2 + margin + room.across
            bounds[b] = Rectangle(x + (thickness - along) / 2, y, along, sizes[b].across)
        x += thickness + (_ALONG if thickness else 0.0)
    out.size = Size(x - _ALONG + margin, width + 2 * margin + room.across)
    for b, place in bounds.items():
        if isinstance(b, _Label):
            out.labels[b.edge] = place
        elif not isinstance(b, _Bend):
            (out.boxes if b in boxes_here else out.groups)[b] = place  # type: ignore[index]
    for number, chain in chains.items():
        out.ways[number] = [
            point for b in chain if isinstance(b, _Label | _Bend) for point in _through(bounds[b])
        ]
    return out


def _through(place: Rectangle) -> tuple[Point, Point]:
    """The two ends of the straight line through a label or along a lane."""
    middle = place.y + place.across / 2
    return (place.x, middle), (place.x + place.along, middle)
