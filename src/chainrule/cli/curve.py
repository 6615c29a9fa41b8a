"""Curves plotted with characters.

    >>> for row in plot([[(0, 3.0), (1, 2.0), (2, 1.5)]], width=20, height=4):
    ...     print("".join(cell.symbol for cell in row))

May import the standard library only.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = Sequence[tuple[float, float]]

_BRAILLE = 0x2800
# The bit of each dot of a Braille character, by column and row. Source: Unicode 16, §21.1.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_ACROSS, _DOWN = 2, 4


@dataclass(frozen=True)
class Cell:
    """One character of a plot and the number of its curve; -1 is the level line, None no curve."""

    symbol: str
    curve: int | None


def plot(
    curves: Sequence[Points],
    *,
    width: int,
    height: int,
    level: float | None = None,
    braille: bool = True,
) -> list[list[Cell]]:
    """A plot of `height` rows of `width` cells; later curves lie on top.

    With `braille` a cell holds 2 × 4 dots, otherwise one `*`. `level` is a dashed line.
    """
    xs = [x for points in curves for x, _ in points]
    ys = [y for points in curves for _, y in points] + ([] if level is None else [level])
    if not xs:
        return []
    across, down = (_ACROSS, _DOWN) if braille else (1, 1)
    canvas = _Canvas(width * across, height * down, (min(xs), max(xs)), (min(ys), max(ys)))
    owners: dict[tuple[int, int], int] = {}
    dots: dict[tuple[int, int], set[tuple[int, int]]] = {}
    layers = [(index, canvas.trace(points)) for index, points in enumerate(curves)]
    if level is not None:
        row = canvas.row(level)
        layers.insert(0, (-1, [(x, row) for x in range(canvas.width) if x // across % 2]))
    for index, places in layers:
        for x, y in places:
            cell = (x // across, y // down)
            owners[cell] = index
            dots.setdefault(cell, set()).add((x % across, y % down))
    return [
        [_cell(dots.get((x, y)), owners.get((x, y)), braille=braille) for x in range(width)]
        for y in range(height)
    ]


@dataclass(frozen=True)
class _Canvas:
    width: int
    height: int
    xs: tuple[float, float]
    ys: tuple[float, float]

    def column(self, x: float) -> int:
        return _scaled(x, self.xs, self.width)

    def row(self, y: float) -> int:
        return self.height - 1 - _scaled(y, self.ys, self.height)

    def trace(self, points: Points) -> list[tuple[int, int]]:
        """The dots of the points and of straight lines between them."""
        corners = [(self.column(x), self.row(y)) for x, y in points]
        places = corners[:1]
        for (x0, y0), (x1, y1) in itertools.pairwise(corners):
            count = max(abs(x1 - x0), abs(y1 - y0), 1)
            places += [
                (round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count))
                for i in range(1, count + 1)
            ]
        return places


def _scaled(value: float, ends: tuple[float, float], size: int) -> int:
    low, high = ends
    return round((value - low) / (high - low) * (size - 1)) if high > low else size // 2


def _cell(dots: set[tuple[int, int]] | None, curve: int | None, *, braille: bool) -> Cell:
    if dots is None:
        return Cell(" ", None)
    if not braille:
        return Cell("-" if curve == -1 else "*", curve)
    return Cell(chr(_BRAILLE + sum(_DOTS[x][y] for x, y in dots)), curve)
