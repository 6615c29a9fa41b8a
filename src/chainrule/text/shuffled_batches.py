"""Batches of examples that are made and shuffled anew in each epoch.

A subclass says what the examples of an epoch are:

    class Numbers(ShuffledBatches):
        def _examples(self, generator):
            return (generator.permutation(10),)

    numbers, = Numbers(batch=4, seed=0).draw()

May import `base` and NumPy.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_whole
from chainrule.base.errors import DataError
from chainrule.text.epochs import Epochs


class ShuffledBatches(Epochs):
    """`draw()` gives one array for each column, of `batch` examples.

    What is left of an epoch and fills no batch is not drawn. The stream depends on the examples and
    on `seed` alone; `state()` and `restore()` continue it exactly.
    """

    def __init__(self, batch: int, seed: int, *, fewer: bool = False) -> None:
        """Begin the first epoch; `DataError` if its examples do not fill a batch.

        With `fewer`, all of them are a batch then; none at all are refused.
        """
        self._batch = check_whole("batch", batch, 1)
        super().__init__(seed)
        if fewer:
            self._batch = max(1, min(batch, len(self._columns[0])))
        if not len(self):
            raise DataError(
                f"the text gives {len(self._columns[0])} examples, which do not fill a batch of "
                f"{batch}; give more text, or a smaller batch"
            )

    def __len__(self) -> int:
        """Batches of this epoch."""
        return len(self._columns[0]) // self._batch

    @abstractmethod
    def _examples(self, generator: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """The columns of an epoch, shuffled."""

    def _plan(self, generator: np.random.Generator) -> None:
        self._columns = self._examples(generator)

    def _batch_at(self, number: int) -> tuple[NDArray[Any], ...]:
        here = slice(number * self._batch, (number + 1) * self._batch)
        return tuple(column[here] for column in self._columns)
