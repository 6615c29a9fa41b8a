"""A graph as an SVG document: boxes, nested modules, edges with values and gradients.

    "".join(picture(boxes))

Graphs that would be too wide for a page run from top to bottom instead of from left to right. May
import `inspect.arrange`, `inspect.boxes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from chainrule.inspect.arrange import Arrangement, Edge, Point, Rectangle, Size, arrange
from chainrule.inspect.boxes import Boxes, Link, label

_PAGE = 1100.0  # wider pictures go downwards
_VALUE, _GRADIENT, _LINE = "#1a6e2e", "#b3261e", "#8a8f98"
_CHARACTER, _SMALL = 7.3, 6.1  # widths
_TITLE = 20.0
_SIDE = 0.2  # weight of an edge from a leaf, relative to others
_NEAR = 9.0  # a negligible bend
_PORTS = 12.0  # between two edges at one side of a box
_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1d1d1f}"
    ".t{font-weight:600}.s{font-size:10px;fill:#5f6368}"
    f".v{{font-size:10px;fill:{_VALUE}}}.g{{font-size:10px;fill:{_GRADIENT}}}"
    ".v,.g{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}"
)


def picture(boxes: Boxes, down: bool | None = None) -> Iterator[str]:
    """The lines of the document; `down` is the direction, by default the one that fits a page."""
    links = list(boxes.edges())
    at = _arranged(boxes, links, down=bool(down))
    if down is None and at.size.along > _PAGE:
        below = _arranged(boxes, links, down=True)
        if below.size.along < at.size.along:
            at, down = below, True
    width, height = (round(v) for v in at.size)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">'
    )
    yield f"<title>{escape(boxes.d.title)}</title><style>{_STYLE}</style>"
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    yield from _frames(at, boxes)
    ends = _ends(at, links, down=bool(down))
    for way in ends:
        yield from _edge(way, down=bool(down))
    for place, link in zip(at.labels, links, strict=True):
        if place is not None:
            yield from _label(place, link, down=bool(down))
    for key in boxes.members:
        yield from _box(at.boxes[key], boxes, key)
    yield "</svg>"


def _arranged(boxes: Boxes, links: Sequence[Link], *, down: bool) -> Arrangement:
    """The layout with x to the right and y downwards, in either direction."""
    sizes = {key: _turned(_box_size(boxes, key), down=down) for key in boxes.members}
    edges = [Edge(k.source, k.target, _turned(_label_size(k), down=down),
                  _SIDE if k.step.is_leaf else 1.0) for k in links]  # fmt: skip
    at = arrange(sizes, boxes.paths, edges, _turned(Size(0.0, _TITLE), down=down))
    if not down:
        return at
    return Arrangement(
        {k: _flipped(p) for k, p in at.boxes.items()},
        {k: _flipped(p) for k, p in at.groups.items()},
        [None if p is None else _flipped(p) for p in at.labels],
        [[(y, x) for x, y in bends] for bends in at.bends],
        Size(at.size.across, at.size.along),
    )


def _turned(size: Size, *, down: bool) -> Size:
    return Size(size.across, size.along) if down else size


def _flipped(p: Rectangle) -> Rectangle:
    return Rectangle(p.y, p.x, p.across, p.along)


def _box_size(boxes: Boxes, key: Any) -> Size:
    longest = max(
        len(boxes.title(key)) * _CHARACTER,
        len(boxes.subtitle(key)) * _SMALL,
        len(boxes.total(key)) * _SMALL,
    )
    return Size(longest + 20, 54 if boxes.total(key) else 42)


def _label_size(link: Link) -> Size:
    longest = max(len(label(link.step.value)), len(label(link.gradient)))
    return Size(longest * _SMALL + 10, 30) if longest else Size(6, 6)


def _frames(at: Arrangement, boxes: Boxes) -> Iterator[str]:
    for path, place in sorted(at.groups.items(), key=lambda item: len(item[0])):
        if path:
            yield (
                f'<rect x="{place.x:.0f}" y="{place.y:.0f}" width="{place.along:.0f}" '
                f'height="{place.across:.0f}" rx="9" fill="#3c4a66" fill-opacity=".05" '
                f'stroke="#b9bec8"/><text class="s" x="{place.x + 10:.0f}" '
                f'y="{place.y + 15:.0f}">{escape(boxes.module(path))}</text>'
            )


def _ends(at: Arrangement, links: Sequence[Link], *, down: bool) -> list[list[Point]]:
    """The points of each edge, which leaves and meets its boxes as straight as possible."""
    starts = _ports(at, [(k.source, _bend(at, i, k.target, 0)) for i, k in enumerate(links)],
                    down=down, least=0.0)  # fmt: skip
    ends = _ports(at, [(k.target, _bend(at, i, k.source, -1)) for i, k in enumerate(links)],
                  down=down, least=_PORTS)  # fmt: skip
    ways = []
    for i, link in enumerate(links):
        a, b = at.boxes[link.source], at.boxes[link.target]
        if down:
            first, last = (starts[i], a.y + a.across), (ends[i], b.y)
        else:
            first, last = (a.x + a.along, starts[i]), (b.x, ends[i])
        ways.append(_straightened([first, *at.bends[i], last]))
    return ways


def _straightened(way: Sequence[Point]) -> list[Point]:
    """The bends, without those near the straight line between the remaining ones."""
    (ax, ay), (bx, by) = way[0], way[-1]
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 or 1.0
    away = [abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length for x, y in way[1:-1]]
    if not away or max(away) <= _NEAR:
        return [way[0], way[-1]]
    at = away.index(max(away)) + 1
    return [*_straightened(way[: at + 1])[:-1], *_straightened(way[at:])]


def _bend(at: Arrangement, i: int, other: Any, which: int) -> Point:
    """The first or last bend of an edge, or the middle of the box at its other end."""
    if at.bends[i]:
        return at.bends[i][which]
    p = at.boxes[other]
    return p.x + p.along / 2, p.y + p.across / 2


def _ports(
    at: Arrangement, wishes: Sequence[tuple[Any, Point]], *, down: bool, least: float
) -> list[float]:
    """The position of each edge at its box's side: near its target, inside, `least` apart."""
    of: dict[Any, list[int]] = {}
    for i, (key, _) in enumerate(wishes):
        of.setdefault(key, []).append(i)
    found = [0.0] * len(wishes)
    for key, numbers in of.items():
        place, axis = at.boxes[key], 0 if down else 1
        low, room = place[axis] + 10, place[axis + 2] - 20
        numbers.sort(key=lambda i: wishes[i][1][axis])
        apart = min(least, room / max(1, len(numbers) - 1))
        for k, i in enumerate(numbers):
            left, right = low + k * apart, low + room - (len(numbers) - 1 - k) * apart
            before = found[numbers[k - 1]] + apart if k else left
            found[i] = min(max(wishes[i][1][axis], left, before), right)
    return found


def _edge(way: Sequence[Point], *, down: bool) -> Iterator[str]:
    """A smooth line through all points, with an arrowhead."""
    (x, y), (ex, ey) = way[0], way[-1]
    tip = (ex, ey - 6) if down else (ex - 6, ey)
    parts = [f"M{x:.0f} {y:.0f}"]
    for (ax, ay), (bx, by) in pairwise([*way[:-1], tip]):
        if abs(ax - bx) < 1 or abs(ay - by) < 1:
            parts.append(f"L{bx:.0f} {by:.0f}")
        elif down:
            bend = max(14.0, abs(by - ay) / 2)
            parts.append(f"C{ax:.0f} {ay + bend:.0f} {bx:.0f} {by - bend:.0f} {bx:.0f} {by:.0f}")
        else:
            bend = max(14.0, abs(bx - ax) / 2)
            parts.append(f"C{ax + bend:.0f} {ay:.0f} {bx - bend:.0f} {by:.0f} {bx:.0f} {by:.0f}")
    head = "l-3.5 -7h7z" if down else "l-7 -3.5v7z"
    yield (
        f'<path d="{"".join(parts)}" fill="none" stroke="{_LINE}"/>'
        f'<path d="M{ex:.0f} {ey:.0f}{head}" fill="{_LINE}"/>'
    )


def _label(place: Rectangle, link: Link, *, down: bool) -> Iterator[str]:
    """The value above the line, the gradient below it; a vertical line stops at them."""
    x, y = place.x + place.along / 2, place.y + place.across / 2
    if link.gradient is None and down:
        y += 8
    if down and place.across > _SMALL:
        yield (
            f'<rect x="{place.x:.0f}" y="{place.y + 1:.0f}" width="{place.along:.0f}" '
            f'height="{place.across - 2:.0f}" rx="5" fill="#fff" fill-opacity=".92"/>'
        )
    for kind, below, value in (("v", -4, link.step.value), ("g", 12, link.gradient)):
        text = label(value)
        if text:
            yield (
                f'<text class="{kind}" x="{x:.0f}" y="{y + below:.0f}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )


def _box(place: Rectangle, boxes: Boxes, key: Any) -> Iterator[str]:
    middle = place.x + place.along / 2
    lines = [("t", boxes.title(key)), ("s", boxes.subtitle(key)), ("g", boxes.total(key))]
    texts = "".join(
        f'<text class="{kind}" x="{middle:.0f}" y="{place.y + y:.0f}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for (kind, text), y in zip(lines, (18, 33, 46), strict=True)
        if text
    )
    double = ' stroke-width="1.6"' if isinstance(key, tuple) else ""
    yield (
        f'<g><title>{escape(boxes.tip(key))}</title><rect x="{place.x:.0f}" y="{place.y:.0f}" '
        f'width="{place.along:.0f}" height="{place.across:.0f}" rx="6" '
        f'fill="{boxes.color(key)}" stroke="#5f6368"{double}/>{texts}</g>'
    )
