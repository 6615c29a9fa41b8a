"""Places for the boxes of a nested graph: layers from left to right, groups inside groups.

Each group is arranged on its own and is then one box in the group around it, so a module's nodes
stay together however deep it lies. Within a group: the column of a box is its longest way from the
start; rows are sorted by where a box's neighbours are. Knows sizes and edges only. Example:

    places = arrange({"a": box, "b": box}, {"a": (), "b": ("outer",)}, [("a", "b")])
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Path = tuple[str, ...]
_ROW_GAP, _MARGIN, _TITLE = 30.0, 14.0, 20.0
_SWEEPS = 4


class Size(NamedTuple):
    """Width and height, and the room to the right that the labels of its edges need."""

    width: float
    height: float
    room: float = 100.0


class Place(NamedTuple):
    """The upper left corner and size of a box."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Arrangement:
    """Where every box and every group stands, and how large the whole is."""

    boxes: dict[Hashable, Place]
    groups: dict[Path, Place]
    size: Size


def arrange(
    sizes: Mapping[Hashable, Size],
    groups: Mapping[Hashable, Path],
    edges: Sequence[tuple[Hashable, Hashable]],
) -> Arrangement:
    """Places for boxes of given sizes, each in its group; edges go from left to right."""
    boxes: dict[Hashable, Place] = {}
    frames: dict[Path, Place] = {}
    size = _group((), sizes, groups, edges, boxes, frames)
    return Arrangement(boxes, frames, size)


def _group(
    path: Path,
    sizes: Mapping[Hashable, Size],
    groups: Mapping[Hashable, Path],
    edges: Sequence[tuple[Hashable, Hashable]],
    boxes: dict[Hashable, Place],
    frames: dict[Path, Place],
) -> Size:
    """Arrange one group from (0, 0) on; inner groups first, each then moved to its place."""
    depth = len(path)
    inside = [b for b in sizes if groups[b][:depth] == path]
    item = {b: b if groups[b] == path else groups[b][: depth + 1] for b in inside}
    items = list(dict.fromkeys(item[b] for b in inside))
    inner: dict[Hashable, Size] = {}
    for each in items:
        if each in sizes:
            inner[each] = sizes[each]
        else:
            assert isinstance(each, tuple)
            inner[each] = _group(each, sizes, groups, edges, boxes, frames)
    known = set(inside)
    between = {
        (item[a], item[b]) for a, b in edges if a in known and b in known and item[a] != item[b]
    }
    placed, size = _columns(items, inner, between)
    top = _TITLE if path else 0.0
    for each, corner in placed.items():
        x, y = corner[0] + _MARGIN, corner[1] + _MARGIN + top
        if each in sizes:
            boxes[each] = Place(x, y, inner[each].width, inner[each].height)
        else:
            _move(each, x, y, groups, boxes, frames)  # type: ignore[arg-type]
    width, height = size.width + 2 * _MARGIN, size.height + 2 * _MARGIN + top
    frames[path] = Place(0.0, 0.0, width, height)
    return Size(width, height, max((s.room for s in inner.values()), default=0.0))


def _move(
    path: Path,
    x: float,
    y: float,
    groups: Mapping[Hashable, Path],
    boxes: dict[Hashable, Place],
    frames: dict[Path, Place],
) -> None:
    for box, place in list(boxes.items()):
        if groups[box][: len(path)] == path:
            boxes[box] = place._replace(x=place.x + x, y=place.y + y)
    for frame, place in list(frames.items()):
        if frame[: len(path)] == path:
            frames[frame] = place._replace(x=place.x + x, y=place.y + y)


def _columns(
    items: Sequence[Hashable],
    sizes: Mapping[Hashable, Size],
    edges: set[tuple[Hashable, Hashable]],
) -> tuple[dict[Hashable, tuple[float, float]], Size]:
    """The corner of each item, columns by longest way, rows by their neighbours."""
    before: dict[Hashable, list[Hashable]] = {i: [] for i in items}
    after: dict[Hashable, list[Hashable]] = {i: [] for i in items}
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    column = _longest(items, before)
    for each in items:  # a source stands just before its first use
        if not before[each] and after[each]:
            column[each] = max(0, min(column[b] for b in after[each]) - 1)
    columns: list[list[Hashable]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for each in items:
        columns[column[each]].append(each)
    for sweep in range(_SWEEPS):
        _sort_rows(columns, before if sweep % 2 == 0 else after)
    return _corners(columns, sizes)


def _longest(
    items: Sequence[Hashable], before: Mapping[Hashable, Sequence[Hashable]]
) -> dict[Hashable, int]:
    """The longest way to each item; what a cycle between groups closes is left out."""
    column: dict[Hashable, int] = {}
    for each in items:  # in the order of the computation
        column[each] = 1 + max((column[b] for b in before[each] if b in column), default=-1)
    return column


def _sort_rows(
    columns: list[list[Hashable]], neighbours: Mapping[Hashable, Sequence[Hashable]]
) -> None:
    row = {each: i / max(1, len(c) - 1) for c in columns for i, each in enumerate(c)}
    for items in columns:
        items.sort(
            key=lambda each: (
                sum(row[n] for n in neighbours[each]) / len(neighbours[each])
                if neighbours[each]
                else row[each]
            )
        )
        row.update({each: i / max(1, len(items) - 1) for i, each in enumerate(items)})


def _corners(
    columns: Sequence[Sequence[Hashable]], sizes: Mapping[Hashable, Size]
) -> tuple[dict[Hashable, tuple[float, float]], Size]:
    heights = [
        sum(sizes[i].height for i in items) + _ROW_GAP * (len(items) - 1) for items in columns
    ]
    tallest = max(heights, default=0.0)
    placed: dict[Hashable, tuple[float, float]] = {}
    x = gap = 0.0
    for items, height in zip(columns, heights, strict=True):
        width = max(sizes[i].width for i in items) if items else 0.0
        y = (tallest - height) / 2
        for each in items:
            placed[each] = (x + (width - sizes[each].width) / 2, y)
            y += sizes[each].height + _ROW_GAP
        gap = max((sizes[i].room for i in items), default=0.0)
        x += width + gap
    return placed, Size(x - gap, tallest)
