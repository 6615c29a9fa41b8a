"""Pairs of words with their counts, in random order: batches for GloVe.

    >>> pairs = CountedPairs([np.array([0, 1, 2, 0])], window=2, batch=3, seed=0)
    >>> word, near, count = pairs.draw()
    >>> word.shape, count.dtype
    ((3,), dtype('float32'))

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.text.cooccurrence import cooccurrences
from chainrule.text.shuffled_batches import ShuffledBatches


class CountedPairs(ShuffledBatches):
    """`draw()` gives (word, near, count), each [batch]; each pair of words once in an epoch."""

    def __init__(
        self, passages: Sequence[NDArray[np.int64]], window: int, batch: int, *, seed: int = 0,
        times: float = 1.0, fewer: bool = False,
    ) -> None:  # fmt: skip
        """Words at most `window` positions apart are a pair, see `cooccurrences`.

        Counts are multiplied by `times`: those of held-out passages by how much longer the text
        is that was learnt from. `fewer` is that of `ShuffledBatches`.
        """
        first, second, counts = cooccurrences(passages, window)
        self._pairs = first, second, (counts * times).astype(np.float32)
        super().__init__(batch, seed, fewer=fewer)

    def _examples(self, generator: np.random.Generator) -> tuple[NDArray[Any], ...]:
        order = generator.permutation(len(self._pairs[0]))
        return tuple(column[order] for column in self._pairs)
