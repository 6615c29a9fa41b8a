"""Streams of batches that are planned anew in each epoch, and continue exactly where they stopped.

A subclass plans an epoch with the random numbers that it is given, and makes one batch of it:

    class Halves(Epochs):
        def __len__(self):
            return 2
        def _plan(self, generator):
            self._order = generator.permutation(10)
        def _batch_at(self, number):
            return (self._order[5 * number : 5 * number + 5],)

    numbers, = Halves(seed=0).draw()

May import `base` and NumPy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_whole


class Epochs(ABC):
    """`draw()` gives the next batch; after the last one, another epoch begins.

    The stream depends on `seed` and on what the subclass was given alone.
    """

    def __init__(self, seed: int) -> None:
        self._seed = check_whole("seed", seed, 0)
        self._begin(0)

    @abstractmethod
    def __len__(self) -> int:
        """Batches of an epoch."""

    @property
    def epoch(self) -> int:
        """Epochs that are drawn completely."""
        return self._epoch + self._next // len(self)

    def draw(self) -> tuple[NDArray[Any], ...]:
        """The next batch."""
        if self._next >= len(self):
            self._begin(self._epoch + 1)
        self._next += 1
        return self._batch_at(self._next - 1)

    def state(self) -> dict[str, Any]:
        """The position in the stream for `restore`, in JSON's types."""
        return {"epoch": self._epoch, "batch": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the stream from a `state()` of batches of the same data and seed."""
        self._begin(int(state["epoch"]))
        self._next = int(state["batch"])

    def _begin(self, epoch: int) -> None:
        self._epoch, self._next = epoch, 0
        self._plan(self._random(epoch))

    def _random(self, *place: int) -> np.random.Generator:
        """The random numbers of one place in the stream, such as an epoch."""
        return np.random.Generator(np.random.PCG64([self._seed, *place]))

    @abstractmethod
    def _plan(self, generator: np.random.Generator) -> None:
        """Decide what the batches of an epoch are."""

    @abstractmethod
    def _batch_at(self, number: int) -> tuple[NDArray[Any], ...]:
        """A batch of this epoch, counted from 0."""
