"""The order of kernels: levels of independent kernels with a barrier between two levels.

Kernels that overwrite outside state come last, after a guard. A loop is one piece of work: all
levels of its body lie between its begin and its end. Example: `schedule(units)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.compiler.shared.kernel_writer import Work
from chainrule.graph.node import Node


@dataclass(frozen=True, slots=True)
class Unit:
    """Work in its order: `late` kernels run after the guard; `level` counts barriers."""

    work: Work | Repeat
    late: bool
    level: int


class Moving(NamedTuple):
    """A part of the array `root`: from element `offset` on, in each trip `step` further.

    In each block of rows it begins `spread` elements further than in the one before.
    """

    root: Node
    offset: int
    step: int
    spread: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A loop: `units` run `trips` times.

    Arrays in `kept` last from trip to trip; `moving` are names that its units have for parts of
    other arrays. `reads` and `writes` are in outer terms. With several `blocks`, each runs the
    whole loop as one task, and all that its units write is `moving`.
    """

    trips: int
    units: tuple[Unit, ...]
    moving: Mapping[Node, Moving]
    kept: tuple[Node, ...]
    reads: frozenset[Node]
    writes: frozenset[Node]
    blocks: int = 1

    @staticmethod
    def of(
        trips: int,
        units: Sequence[Unit],
        moving: Mapping[Node, Moving],
        kept: Iterable[Node],
        blocks: int = 1,
    ) -> Repeat:
        """A loop over units that are in order."""

        def outer(nodes: frozenset[Node]) -> frozenset[Node]:
            return frozenset(moving[n].root if n in moving else n for n in nodes)

        reads = frozenset[Node]().union(*(outer(u.work.reads) for u in units))
        writes = frozenset[Node]().union(*(outer(u.work.writes) for u in units))
        return Repeat(trips, tuple(units), moving, tuple(kept), reads, writes, blocks)


Stages = Sequence[Sequence[Work | Repeat]]


def works(units: Sequence[Unit]) -> Iterator[Work]:
    """All kernels, those of loops once, in the order of the plan."""
    for unit in units:
        if isinstance(unit.work, Repeat):
            yield from works(unit.work.units)
        else:
            yield unit.work


def schedule(staged: Sequence[tuple[Stages, bool]]) -> list[Unit]:
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
    return sorted(units, key=lambda u: (u.level, has_barriers(u.work)))


def has_barriers(work: Work | Repeat) -> bool:
    """Whether it is a loop with barriers inside: nothing else runs at the same time."""
    return isinstance(work, Repeat) and work.blocks == 1


def _levels(
    stages: Stages,
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
