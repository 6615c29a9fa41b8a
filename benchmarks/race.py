"""A race: contestants do the same work in turns, in an order that changes from round to round.

    for contestant in turns(running, rounds=7):
        slices[contestant.name].append(contestant.ask("slice", seconds=1.0))

`largest_difference` of their losses shows that the work is the same. Standard library only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from benchmarks.output import json_option

CHECKED_STEPS = 10
TOLERANCE = 2e-3  # float32, ten steps, several implementations
_SETTLE = 0.05  # seconds for the last contestant's threads to go to sleep
T = TypeVar("T")


class DifferenceError(RuntimeError):
    """The contestants' losses differ."""


def race_options(parser: argparse.ArgumentParser, rivals: str) -> None:
    """The options of each race; `rivals` are what the other interpreter has."""
    parser.add_argument("--rounds", type=int, default=7, help="slices for each contestant")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--rival-python", default=sys.executable, metavar="PATH",
                        help=f"the interpreter that has {rivals}")  # fmt: skip
    json_option(parser)


def turns(running: Sequence[T], rounds: int) -> Iterator[T]:
    """Each contestant once a round, while all others rest."""
    for turn in range(rounds):
        shift = turn % len(running)
        for contestant in (*running[shift:], *running[:shift]):
            time.sleep(_SETTLE)
            yield contestant


def largest_difference(
    reference: Sequence[float], losses: Sequence[float], bound: float = TOLERANCE
) -> float:
    """The largest |a - b| / max(|a|, |b|) of the losses of a step.

    Raises `DifferenceError` above the bound.
    """
    largest = 0.0
    for step, (a, b) in enumerate(zip(reference, losses, strict=True)):
        apart = abs(a - b) / max(abs(a), abs(b), 1e-30)
        if not apart <= bound:
            raise DifferenceError(f"not the same work: step {step} has loss {a:.6f} and {b:.6f}")
        largest = max(largest, apart)
    return largest
