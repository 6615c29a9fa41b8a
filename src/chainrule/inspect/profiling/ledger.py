"""The time of one thread, divided between calling contexts, and its events for a time line.

    ledger.spend(place, start)      # the time since the last event is Python's, of this place
    ledger.resume(end)              # the program goes on; the time since `end` is the profile's own

Every nanosecond between `begin` and `finish` belongs to a context or to the profile, `own`. What
is spent in operations and programs is noted by `observer.py`. May import this folder's `contexts`
and `paths`.
"""

from __future__ import annotations

import threading
from time import perf_counter_ns as clock
from types import CodeType, FrameType
from typing import Any, NamedTuple

from chainrule.compiler.runtime.program import Words
from chainrule.inspect.profiling.contexts import Context, Line, Tally
from chainrule.inspect.profiling.paths import Paths

MOST_EVENTS = 300_000  # kept for a time line, some 40 MB; the sums go on
_TICKS = 16  # of groups of launches that take the room of an event
_AROUND = frozenset({"layer", "mark"})  # phases of events that others lie in


class Event(NamedTuple):
    """What happened from `start` to `end`, in nanoseconds of the clock.

    `what` is a function that computes, a `Late`, a `Layer`, a `Program` or a name; `ticks` are
    those of a program's groups.
    """

    start: int
    end: int
    context: Context
    what: Any
    phase: str
    ticks: Words | None = None


class _Mark(NamedTuple):
    """A named stretch that has begun."""

    name: str
    start: int
    worked: int
    own: int
    context: Context


class Ledger:
    """The contexts below `root`; `own` is the time that the profile took, which none of them has.

    Paths end at the code `call`, which calls modules, and at the frame `base`.
    """

    def __init__(self, base: FrameType | None, call: CodeType) -> None:
        self.paths = Paths(base, call)
        self.thread = threading.get_ident()
        self.root = self.top = self.here = Context(None, None, "")
        self.events: list[tuple[Any, ...]] = []  # what an `Event` is made of
        self.dropped = 0  # events for which there was no room
        self._room = MOST_EVENTS
        self.start = self.end = self.last = clock()
        self.own = 0
        self.worked = 0  # time of all that was measured, as it goes on
        self.marks: dict[str, Tally] = {}  # named stretches: total, calls, time of Python's in it
        self._marks: list[_Mark] = []  # those that are open
        self._samples: list[tuple[int, Context, list[Line]]] = []

    def begin(self) -> None:
        """The program's time begins."""
        self.start = self.last = clock()

    def finish(self) -> None:
        """The program's time ends."""
        self.end = clock()
        self.spend(self.here, self.end)
        self.paths.base = None

    def place(self, frame: FrameType | None) -> Context:
        """The context of a frame."""
        return self.top.below(self.paths.lines(frame))

    def spend(self, place: Context, now: int) -> None:
        """The time since the last event was Python's: where samples tell, or at `place`."""
        gap = now - self.last
        if self._samples:
            found, self._samples = self._samples, []
            seen = [each for each in found if self.last <= each[0] <= now]
            for _, context, lines in seen:
                context.below(lines).python += gap // len(seen)
            gap = gap % len(seen) if seen else gap
        place.python += gap
        self.here = place

    def resume(self, since: int) -> None:
        """The program goes on; the time `since` then was the profile's own."""
        self.last = now = clock()
        self.own += now - since

    def sample(self, now: int, frame: FrameType) -> None:
        """A look from the sampling thread."""
        self._samples.append((now, self.top, self.paths.lines(frame)))

    def note(
        self, start: int, end: int, what: Any, phase: str, place: Context, ticks: Words | None
    ) -> None:
        """Keep an event for a time line; what computes or compiles counts as work."""
        if phase not in _AROUND:
            self.worked += end - start
        if self._room > 0:
            self._room -= 1 if ticks is None else 1 + len(ticks) // _TICKS
            self.events.append((start, end, place, what, phase, ticks))
        else:
            self.dropped += 1

    def begin_mark(self, name: str, frame: FrameType) -> None:
        """A stretch begins that the program has named."""
        start = clock()
        self._marks.append(_Mark(name, start, self.worked, self.own, self.place(frame)))

    def end_mark(self) -> None:
        """The innermost named stretch ends."""
        if self._marks:
            end = clock()
            name, start, worked, own, place = self._marks.pop()
            time = end - start - (self.own - own)
            tally = self.marks.setdefault(name, [0, 0, 0])
            tally[0] += time
            tally[1] += 1
            tally[2] += time - (self.worked - worked)
            self.note(start, end, name, "mark", place, None)
