"""Liveness: when each array of a plan is in use, in steps of time between barriers.

What a loop's body writes and reads within one trip lives for that part of the body only; what
lasts from trip to trip, or is also used outside, lives for the whole loop.
Example: `lifetimes(units, externals)` → {node: Lifetime}.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from chainrule.compiler.lower.schedule import Repeat, Unit, has_barriers, works
from chainrule.compiler.runtime.arena import Lifetime
from chainrule.graph.node import Node

Path = tuple[Repeat, ...]  # the loops around a unit, outermost first


class _Use(NamedTuple):
    """An array is used at a time inside loops."""

    first: int
    last: int
    path: Path


def lifetimes(units: Sequence[Unit], externals: Container[Node]) -> dict[Node, Lifetime]:
    """The lifetimes of all arrays that are not external."""
    clock = _Clock()
    clock.run(units, ())
    uses: dict[Node, list[_Use]] = {}
    for node, use in clock.uses:
        array, whole = clock.resolve(node, use)
        uses.setdefault(array, []).append(whole)
    return {n: clock.life(n, found) for n, found in uses.items() if n not in externals}


class _Clock:
    """Gives every level of every body a time of its own."""

    def __init__(self) -> None:
        self.now = 0
        self.uses: list[tuple[Node, _Use]] = []
        self.spans: dict[Repeat, tuple[int, int]] = {}

    def run(self, units: Sequence[Unit], path: Path) -> None:
        level = None
        for unit in units:
            if level is not None and (unit.level != level or has_barriers(unit.work)):
                self.now += 1
            level = unit.level
            if isinstance(unit.work, Repeat):
                start, inside = self.now, (*path, unit.work)
                if has_barriers(unit.work):
                    self.run(unit.work.units, inside)
                else:
                    for work in works(unit.work.units):
                        self.note(work.arrays, _Use(start, start, inside))
                self.spans[unit.work] = start, self.now
                self.note(unit.work.kept, _Use(start, self.now, path))
            else:
                self.note(unit.work.arrays, _Use(self.now, self.now, path))

    def note(self, nodes: Iterable[Node], use: _Use) -> None:
        self.uses += [(node, use) for node in nodes]

    def resolve(self, node: Node, use: _Use) -> tuple[Node, _Use]:
        """A part of another array is that array, all through the loop that moves the part."""
        at = len(use.path) - 1
        while at >= 0:
            loop = use.path[at]
            if node in loop.moving:
                node, use = loop.moving[node].root, _Use(*self.spans[loop], use.path[:at])
            at -= 1
        return node, use

    def life(self, node: Node, uses: Sequence[_Use]) -> Lifetime:
        """Whole loops count, but those around all uses."""
        around = min(len(use.path) for use in uses)
        while any(use.path[:around] != uses[0].path[:around] for use in uses):
            around -= 1
        spans = [
            self.spans[use.path[around]] if len(use.path) > around else (use.first, use.last)
            for use in uses
        ]
        return Lifetime(node.array.nbytes, min(s[0] for s in spans), max(s[1] for s in spans))
