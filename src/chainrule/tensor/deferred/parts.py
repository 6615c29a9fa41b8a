"""A batch that never occurred before, as parts that did: the rounds of a loop, and what is around.

A decoder that flips a coin for each word has a new graph at every step, made of the same rounds.
Such a batch is cut before the occurrences of one call, so that few different parts result. A part
is a structure like a whole batch, known again and compiled like one; one that is new and long is
cut further.
Example: `evaluate(batch, in_parts=True)` is how the batch was evaluated.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from chainrule.tensor.deferred import structure
from chainrule.tensor.deferred.pending import Batch, Entry

# Elements of a call's results, on average, from which native calls outweigh what it costs to record
# the operations, to cut the batch and to call the parts: three times what NumPy takes to start.
LEAST_SIZE = 1 << 14
_SHORTEST = 8  # calls of a part: a native call costs what some of NumPy's cost
_FEWEST = 3  # parts, and occurrences of the call that they begin with
_CANDIDATES = 8  # calls, the most frequent ones, of which that call is one
_PREFERENCE = 1.25  # how much worse a call may be that was chosen before
_MOST_CHOSEN = 256
_NONE = np.empty(0)


class How(Enum):
    """How a batch was evaluated."""

    WHOLE = "one native call"
    PARTS = "native calls of most of its parts"
    KNOWN = "call by call; it occurred before"
    NEW = "call by call"


def evaluate(batch: Batch, *, in_parts: bool) -> How:
    """Give each value of the batch that is alive its array."""
    alive = structure.values_alive(batch)
    found = structure.known(batch, alive)
    if found is not None and structure.natively(found, batch, alive):
        return How.WHOLE
    if in_parts and _are_large(batch):
        parts = _Parts(batch, alive)
        end = len(parts.entries)
        starts = _starts(parts.entries, 0, end)
        if len(starts) > 1:
            parts.evaluate_between(starts, end)
            if 2 * parts.native >= end:
                return How.PARTS
            return How.NEW if found is None else How.KNOWN
    structure.by_calls(batch, alive)
    return How.NEW if found is None else How.KNOWN


def _are_large(batch: Batch) -> bool:
    size = sum([math.prod(value.type.shape) for value in batch.values])
    return size >= LEAST_SIZE * len(batch.entries)


def _starts(entries: Sequence[Entry], start: int, end: int) -> list[int]:
    """Where the parts of a range begin: at its start, and at occurrences of one call.

    The call is chosen so that few different calls are left: rounds that are alike count once, and
    each part as one call more. A call that was chosen before is preferred, so that other batches
    are cut at it, too.
    """
    calls = [entry[0] for entry in entries[start:end]]
    found: dict[Any, tuple[float, list[int]]] = {}
    for call, count in Counter(calls).most_common(_CANDIDATES):
        cuts = _cuts(calls, call) if count >= _FEWEST else []
        if len(cuts) >= _FEWEST:
            parts = {tuple(calls[i:j]) for i, j in zip(cuts, (*cuts[1:], len(calls)), strict=True)}
            found[call] = sum(map(len, parts)) + len(cuts), cuts
    if not found:
        return [start]
    best = min(found, key=lambda call: found[call][0])
    least, _ = found[best]
    if least >= len(calls):
        return [start]
    before = structure.cut_at
    chosen = next((c for c in before if c in found and found[c][0] < _PREFERENCE * least), best)
    if len(before) >= _MOST_CHOSEN:
        before.clear()
    before[chosen] = None
    return [start + cut for cut in found[chosen][1]]


def _cuts(calls: Sequence[Any], call: Any) -> list[int]:
    """0 and the occurrences of a call that leave parts of some length."""
    cuts = [0]
    for i, one in enumerate(calls):
        if one is call and i - cuts[-1] >= _SHORTEST and len(calls) - i >= _SHORTEST:
            cuts.append(i)
    return cuts


class _Part(NamedTuple):
    """A part as a batch of its own."""

    batch: Batch
    alive: tuple[int, ...]  # values that are needed after it
    written: dict[int, int]  # by slot of the whole batch: its slot of an array that it may write


class _Parts:
    """The evaluation of one batch in parts, from the first to the last."""

    def __init__(self, batch: Batch, alive: Sequence[int]) -> None:
        self.batch, self.alive = batch, set(alive)
        self.native = 0  # entries that native calls evaluated
        uses = structure.last_uses(batch.entries, alive)
        self.order = sorted(uses.needed)
        self.entries = [batch.entries[at] for at in self.order]
        self.dead = [uses.ends[at] for at in self.order]
        self.last = {n: i for i, numbers in enumerate(self.dead) for n in numbers}

    def evaluate_between(self, starts: Sequence[int], end: int) -> None:
        """Evaluate the parts that begin at `starts`."""
        for start, stop in zip(starts, (*starts[1:], end), strict=True):
            if not self._natively(start, stop):
                self._further(start, stop)
            for numbers in self.dead[start:stop]:
                for n in numbers:
                    if n not in self.alive:
                        self.batch.values[n].array = None

    def _further(self, start: int, end: int) -> None:
        """Evaluate a part that has no plan: in parts of its own, or call by call."""
        starts = _starts(self.entries, start, end)
        if len(starts) > 1:
            self.evaluate_between(starts, end)
            return
        part = self._part(start, end)
        try:
            structure.by_calls(part.batch, part.alive)
        except Exception:
            self.batch.failed = self.order[start + part.batch.failed]
            raise

    def _natively(self, start: int, end: int) -> bool:
        """Evaluate a part by its plan, if it has one."""
        part = self._part(start, end)
        found = structure.known(part.batch, part.alive)
        if found is None:
            return False
        outside = self.batch.outside
        done = False
        try:
            for slot in part.written:
                outside[slot] = _NONE  # the part alone holds what it may write in place
            done = structure.natively(found, part.batch, part.alive)
        finally:
            if not done:
                for slot, own in part.written.items():
                    outside[slot] = part.batch.outside[own]
        self.native += (end - start) * done
        return done

    def _part(self, start: int, end: int) -> _Part:
        whole = self.batch
        part = Batch(whole.evaluator, whole.place)
        numbers: dict[int, int] = {}  # by value and ~slot of the whole batch: those of the part
        alive = []
        for i in range(start, end):
            call, first, *operands = self.entries[i]
            for n in operands:
                if n not in numbers:
                    numbers[n] = ~self._bring(part, n)
            own = len(part.values)
            for n in range(first, first + (1 if call.parts is None else len(call.parts))):
                numbers[n] = len(part.values)
                if n in self.alive or self.last.get(n, -1) >= end:
                    alive.append(len(part.values))
                part.values.append(whole.values[n])
            if self.order[i] in whole.locations:
                part.locations[i - start] = whole.locations[self.order[i]]
            part.entries.append((call, own, *[numbers[n] for n in operands]))
        written = {}
        if end == len(self.entries):  # nothing fails after it, so that nothing has to be undone
            for n, slot in whole.written.items():
                if n in numbers and ~slot in numbers:
                    part.written[numbers[n]] = written[slot] = ~numbers[~slot]
        return _Part(part, tuple(alive), written)

    def _bring(self, part: Batch, number: int) -> int:
        """The slot in a part of an operand: an array from outside, or made by an earlier part."""
        slot, whole = len(part.outside), self.batch
        if number >= 0:
            part.outside.append(whole.values[number].resolve())
        else:
            part.outside.append(whole.outside[~number])
            if ~number in whole.constants:
                part.constants[slot] = whole.constants[~number]
        return slot
