"""Why a structure was compiled, and why once more: the words of `explain_cache()`.

They are made when a plan is made, from the batch at hand; what a value is named by is the line that
recorded it. Example: `why_compiled(batch, alive, causes)` is "occurred 2 times".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.base.source import source_at
from chainrule.tensor.deferred.pending import Batch

READ = "a value that the plan before left out was read"
EVICTED = "the plan before was dropped for memory"
_MOST_LINES = 3


class Causes(NamedTuple):
    """What `why_compiled` tells of: `others` are the values alive in the structure's other plans.

    `read` are values that a plan left out although they are read, `changes` those of numbers.
    """

    occurred: int
    lost: str
    changes: Sequence[str]
    read: Sequence[int]
    others: Sequence[Sequence[int]]


def why_compiled(batch: Batch, alive: Sequence[int], causes: Causes) -> str:
    """The reasons for a plan of this batch, the first of a structure or another one."""
    found = ["occurred once" if causes.occurred == 1 else f"occurred {causes.occurred} times"]
    if causes.others:
        nearest = min(causes.others, key=lambda other: len({*other} ^ {*alive}))
        more, fewer = sorted({*alive} - {*nearest}), sorted({*nearest} - {*alive})
        parts = [
            f"{len(which)} {word} alive{_lines(batch, which)}"
            for which, word in ((more, "more"), (fewer, "fewer"))
            if which
        ]
        found.append(f"other values are alive than in another plan: {', '.join(parts)}")
    found += causes.changes
    if causes.lost:
        found.append(causes.lost + (_lines(batch, causes.read) if causes.lost == READ else ""))
    return "; ".join(found)


def change(batch: Batch, before: Mapping[int, bytes], slot: int) -> str:
    """The change of a number that was a constant of the structure."""
    dtype = batch.outside[slot].dtype
    old, new = (np.frombuffer(b, dtype)[0] for b in (before[slot], batch.constants[slot]))
    return f"a number changed from {old:g} to {new:g} and is an operand now"


def _lines(batch: Batch, numbers: Sequence[int]) -> str:
    """The lines that recorded these values, as far as they were noted."""
    starts = [entry[1] for entry in batch.entries]
    sources = [source_at(batch.locations.get(bisect_right(starts, n) - 1)) for n in numbers]
    lines = [*dict.fromkeys(str(source) for source in sources if source is not None)]
    if not lines:
        return ""
    more = ", …" if len(lines) > _MOST_LINES else ""
    return f" ({', '.join(lines[:_MOST_LINES])}{more})"
