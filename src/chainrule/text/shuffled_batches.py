"""Batches of examples that are made and shuffled anew in each epoch.

A subclass says what the examples of an epoch are:

    class Numbers(ShuffledBatches):
        def _examples(self, generator):
            return (generator.permutation(10),)

    numbers, = Numbers(batch=4, seed=0).draw()

May import `base` and NumPy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_whole
from chainrule.base.errors import DataError


class ShuffledBatches(ABC):
    """`draw()` gives one array for each column, of `batch` examples.

    What is left of an epoch and fills no batch is not drawn. The stream depends on the examples and
    on `seed` alone; `state()` and `restore()` continue it exactly.
    """

    def __init__(self, batch: int, seed: int) -> None:
        """Begin the first epoch; `DataError` if its examples do not fill a batch."""
        self._batch, self._seed = check_whole("batch", batch, 1), check_whole("seed", seed, 0)
        self._begin(0)
        if not len(self):
            raise DataError(
                f"the text gives {len(self._columns[0])} examples, which do not fill a batch of "
                f"{batch}; give more text, or a smaller batch"
            )

    def __len__(self) -> int:
        """Batches of this epoch."""
        return len(self._columns[0]) // self._batch

    def draw(self) -> tuple[NDArray[Any], ...]:
        """The next batch."""
        if self._next >= len(self):
            self._begin(self._epoch + 1)
        here = slice(self._next * self._batch, (self._next + 1) * self._batch)
        self._next += 1
        return tuple(column[here] for column in self._columns)

    def state(self) -> dict[str, Any]:
        """The position in the stream for `restore`, in JSON's types."""
        return {"epoch": self._epoch, "batch": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the stream from a `state()` of the same examples and seed."""
        self._begin(int(state["epoch"]))
        self._next = int(state["batch"])

    def _begin(self, epoch: int) -> None:
        self._epoch, self._next = epoch, 0
        self._columns = self._examples(self._generator(epoch))

    def _generator(self, *place: int) -> np.random.Generator:
        """Random numbers of one place in the stream."""
        return np.random.Generator(np.random.PCG64([self._seed, *place]))

    @abstractmethod
    def _examples(self, generator: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """The columns of an epoch, shuffled."""
