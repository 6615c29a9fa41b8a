"""Dependencies between groups, while nodes join them and groups merge or are cut.

    start c after a, b;   merge b into c     →   what followed b follows c

Dependence is a bit set of group numbers in each group; the edges it was made of are kept, so that
a change reaches the groups behind it and no others. Example: `paths.follow(group, others)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class Dependent(Protocol):
    """The end of a path: `ancestors` is the bit set of the numbers it depends on."""

    number: int
    ancestors: int


class Paths:
    """Paths between groups; each group's number is its place in the order of `begin`."""

    def __init__(self) -> None:
        self._groups: list[Dependent] = []
        self._before: list[int] = []  # bit sets of direct neighbours
        self._after: list[int] = []

    def begin(self, group: Dependent) -> None:
        """A group that depends on nothing yet."""
        self._groups.append(group)
        self._before.append(0)
        self._after.append(0)

    def follow(self, group: Dependent, others: Iterable[Dependent]) -> None:
        """`group` depends on the others, and so does all that depends on it."""
        me, bits = 1 << group.number, 0
        for other in others:
            self._after[other.number] |= me
            self._before[group.number] |= 1 << other.number
            bits |= other.ancestors | 1 << other.number
        self._spread([group], bits, 0)

    def is_followed(self, group: Dependent) -> bool:
        """Whether anything depends on the group."""
        return bool(self._after[group.number])

    def between(self, first: Dependent, last: Dependent) -> bool:
        """Whether a path leads from `first` through a third group to `last`."""
        return bool(self._after[first.number] & last.ancestors)

    def merge(self, gone: Dependent, into: Dependent) -> None:
        """The dependencies of `gone`, in both directions, become those of `into`."""
        old, me = 1 << gone.number, 1 << into.number
        before, after = self._before, self._after
        for other in self._of(before[gone.number]):
            after[other.number] = after[other.number] & ~old | me
        before[into.number] = (before[into.number] | before[gone.number]) & ~(old | me)
        after[into.number] = (after[into.number] | after[gone.number]) & ~(old | me)
        into.ancestors = (into.ancestors | gone.ancestors) & ~old
        for other in self._of(after[into.number]):
            before[other.number] = before[other.number] & ~old | me
        self._spread(self._of(after[into.number]), into.ancestors | me, old)

    def cut(self, front: Dependent, back: Dependent) -> None:
        """`back`, which was begun, is a part of `front`: what follows `front` follows both."""
        back.ancestors = front.ancestors | 1 << front.number
        for other in self._of(self._before[front.number]):
            self._after[other.number] |= 1 << back.number
        followers = list(self._of(self._after[front.number]))
        self._before[back.number] = self._before[front.number] | 1 << front.number
        self._after[back.number] = self._after[front.number]
        self._after[front.number] |= 1 << back.number
        for other in followers:
            self._before[other.number] |= 1 << back.number
        self._spread(followers, 1 << back.number, 0)

    def _spread(self, groups: Iterable[Dependent], bits: int, gone: int) -> None:
        """Add ancestors to groups and to all behind them, and take out those that are gone."""
        pending = list(groups)
        while pending:
            group = pending.pop()
            known = group.ancestors & ~gone | bits
            if known != group.ancestors:
                group.ancestors = known
                pending += self._of(self._after[group.number])

    def _of(self, bits: int) -> Iterator[Dependent]:
        """The groups of a bit set."""
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            yield self._groups[lowest.bit_length() - 1]
