"""When each kernel runs: levels of kernels that do not depend on each other, a barrier between.

Kernels that overwrite outside state come last, after a guard. Example: `schedule(units)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.templates.writer import Work
from chainrule.graph.node import Node


@dataclass(frozen=True, slots=True)
class Unit:
    """A kernel at its place: `late` kernels run after the guard; `level` counts barriers."""

    work: Work
    late: bool
    level: int


def schedule(staged: Sequence[tuple[list[list[Work]], bool]]) -> list[Unit]:
    """Levels for the stages of groups, given in an order in which they could run one by one.

    A kernel waits for those before it that write what it reads or writes, and for those that read
    what it writes.
    """
    written: dict[Node, int] = {}
    read: dict[Node, int] = {}
    early = [s for s in staged if not s[1]]
    late = [s for s in staged if s[1]]
    units: list[Unit] = []
    floor = 0
    for part in (early, late):
        for stages, is_late in part:
            units.extend(_levels(stages, floor, written, read, late=is_late))
        floor = 1 + max((u.level for u in units), default=-1)
    return sorted(units, key=lambda u: u.level)


def _levels(
    stages: list[list[Work]],
    floor: int,
    written: dict[Node, int],
    read: dict[Node, int],
    *,
    late: bool,
) -> list[Unit]:
    units = []
    for works in stages:
        placed = []
        for work in works:
            level = floor
            for node in work.reads | work.writes:
                level = max(level, written.get(node, -1) + 1)
            for node in work.writes:
                level = max(level, read.get(node, -1) + 1)
            placed.append(Unit(work, late, level))
        for unit in placed:  # kernels of a stage write different parts of the same arrays
            for node in unit.work.writes:
                written[node] = max(written.get(node, -1), unit.level)
            for node in unit.work.reads:
                read[node] = max(read.get(node, -1), unit.level)
        units.extend(placed)
    return units
