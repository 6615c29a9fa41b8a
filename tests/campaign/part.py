"""What a part of the campaign is: a name, and one trial at a time.

A part is an object with three attributes; put it into `PARTS` in `parts.py` and it runs:

    class Cards:
        name = "cards"
        about = "a shuffled pack holds every card once"

        def run(self, rng: random.Random, deadline: float) -> str | None:
            pack = shuffle(list(range(52)), rng)
            return None if sorted(pack) == list(range(52)) else f"lost a card: {pack}"

`run` makes one trial from `rng` alone, so that a trial's number repeats it, and returns None, or a
report for people: what was tried, as small as it could be made; what happened; what was expected.
A program is printed as graph text. An exception is a finding, too. `deadline` is the value of
`time.monotonic()` at which the campaign wants to be done: reports are made smaller until then.
"""

from __future__ import annotations

import random
from typing import Protocol


class Part(Protocol):
    """Something that is tried again and again with random choices."""

    name: str
    about: str  # what must hold, in one line

    def run(self, rng: random.Random, deadline: float) -> str | None:
        """One trial: None, or what is wrong."""
        ...
