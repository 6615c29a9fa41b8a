"""Words with the words around them, and others drawn at random: batches for word vectors.

    >>> passages = [np.array([0, 1, 2, 3, 1, 2])]
    >>> pairs = WordPairs(passages, words=4, window=2, negatives=3, batch=5, often=1.0, seed=0)
    >>> word, near, far = pairs.draw()
    >>> word.shape, near.shape, far.shape
    ((5,), (5,), (5, 3))

Passages are arrays of codes; no window reaches beyond its passage. May import `base` and NumPy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_number, check_whole
from chainrule.text.shuffled_batches import ShuffledBatches

Codes = NDArray[np.int64]
_NOISE = 0.75  # power of the counts from which negatives are drawn


class _Windows(ShuffledBatches):
    """Examples, and words drawn at random for each.

    In each epoch a word with the share f of the text is kept with the probability √(often / f), so
    that frequent words neither crowd out others nor fill windows, and each word looks at most
    `window` words to either side, uniformly fewer. Negatives have probabilities in proportion to
    count^0.75. Source: Mikolov et al., Distributed Representations of Words and Phrases (2013),
    §2.2 and 2.3.
    """

    def __init__(
        self, passages: Sequence[Codes], *, words: int, window: int, negatives: int, batch: int,
        often: float = 1e-4, seed: int = 0, counts: Codes | None = None, fewer: bool = False,
    ) -> None:  # fmt: skip
        """Negative codes are not words: they are left out, and windows close over them.

        `counts` of each word in another text decide there what is frequent: for held-out passages,
        those of the text that is learnt from. `fewer` is that of `ShuffledBatches`.
        """
        check_number("often", often, above=0)
        self._window = check_whole("window", window, 1)
        self._negatives = check_whole("negatives", negatives, 1)
        self._codes = np.concatenate([*passages, np.zeros(0, np.int64)])
        self._passage = np.repeat(np.arange(len(passages)), [len(codes) for codes in passages])
        known = self._codes >= 0
        if counts is None:
            counts = np.bincount(self._codes[known], minlength=words)
        share = counts / max(counts.sum(), 1)
        kept = np.minimum(1.0, np.sqrt(often / np.maximum(share, 1e-300)))
        self._kept = np.where(known, kept[self._codes], 0.0)
        noise = np.cumsum(counts**_NOISE)
        self._noise = noise / max(noise[-1], 1.0)
        super().__init__(batch, seed, fewer=fewer)

    def _batch_at(self, number: int) -> tuple[Codes, ...]:
        """The examples of a batch, and [batch, negatives] random words."""
        batch = super()._batch_at(number)
        drawn = self._random(self._epoch, 1 + number).random((self._batch, self._negatives))
        return (*batch, np.searchsorted(self._noise, drawn, side="right"))

    def _examples(self, generator: np.random.Generator) -> tuple[Codes, ...]:
        chosen = generator.random(len(self._kept)) < self._kept
        codes, passage = self._codes[chosen], self._passage[chosen]
        reach = generator.integers(1, self._window + 1, len(codes))
        columns = self._around(codes, passage, reach)
        order = generator.permutation(len(columns[0]))
        return tuple(column[order] for column in columns)

    @abstractmethod
    def _around(self, codes: Codes, passage: Codes, reach: Codes) -> tuple[Codes, ...]:
        """The examples of a text, each of whose words looks `reach` words to either side."""


class WordPairs(_Windows):
    """`draw()` gives (word [batch], near [batch], far [batch, negatives]), for skip-gram."""

    def _around(self, codes: Codes, passage: Codes, reach: Codes) -> tuple[Codes, ...]:
        words, near = [codes[:0]], [codes[:0]]
        for distance in range(1, self._window + 1):
            same = passage[distance:] == passage[:-distance]
            left, right = codes[:-distance], codes[distance:]
            forward = same & (reach[:-distance] >= distance)
            backward = same & (reach[distance:] >= distance)
            words += [left[forward], right[backward]]
            near += [right[forward], left[backward]]
        return np.concatenate(words), np.concatenate(near)


class WordsAround(_Windows):
    """`draw()` gives (around [batch, 2 · window], word [batch], far [batch, negatives]), for CBOW.

    `around` is filled up with the code `words`, which stands for no word.
    """

    def __init__(self, passages: Sequence[Codes], *, words: int, **options: Any) -> None:
        self._nothing = words
        super().__init__(passages, words=words, **options)

    def _around(self, codes: Codes, passage: Codes, reach: Codes) -> tuple[Codes, ...]:
        around = np.full((len(codes), 2 * self._window), self._nothing)
        for distance in range(1, self._window + 1):
            same = passage[distance:] == passage[:-distance]
            after = np.flatnonzero(same & (reach[:-distance] >= distance))
            around[after, self._window + distance - 1] = codes[after + distance]
            before = np.flatnonzero(same & (reach[distance:] >= distance)) + distance
            around[before, self._window - distance] = codes[before - distance]
        some = (around != self._nothing).any(axis=1)
        return around[some], codes[some]
