"""A counting language model over characters, the baseline of a network.

    >>> model = CharacterNGram(codes, vocabulary=65, order=5)
    >>> float(-model.log_probabilities(held_out).mean())      # nats a character
    1.67

May import NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class CharacterNGram:
    """Interpolated Witten–Bell model of the given order; order 5 has a context of four characters.

    p(c | h) = (n(hc) + d(h) · p(c | h without its first character)) / (n(h) + d(h)), where n counts
    occurrences and d(h) the different characters seen after h; the empty history falls back to
    1 / vocabulary. It suits alphabets, whose counts do not follow the power law that the discounts
    of word models assume. Source: Witten & Bell, The Zero-Frequency Problem (1991),
    method C; Chen & Goodman, An Empirical Study of Smoothing Techniques (1998), §2.6.
    """

    def __init__(self, codes: NDArray[np.int64], vocabulary: int, order: int = 5) -> None:
        """Count the grams of `codes` (values 0 … vocabulary - 1) of each length up to `order`."""
        self._vocabulary = vocabulary
        self._levels = _count(codes, vocabulary, order)

    def log_probabilities(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """log p of each of `codes[1:]` given the codes before it, in nats."""
        p = np.full(len(codes), 1.0 / self._vocabulary)
        context = np.zeros(len(codes), dtype=np.int64)
        known = np.ones(len(codes), dtype=bool)  # whether training saw this context
        for level in self._levels:
            keys = context * self._vocabulary + codes
            found = np.minimum(np.searchsorted(level.grams, keys), len(level.grams) - 1)
            seen = known & (level.grams[found] == keys)
            count = np.where(seen, level.counts[found], 0)
            different = np.where(known, level.different[context], 0)
            weight = level.total[context] + different
            follows = different > 0
            p = np.where(follows, (count + different * p) / np.where(follows, weight, 1), p)
            # The gram that ends here is the context of the next position.
            context = np.concatenate([[0], np.where(seen, found, 0)[:-1]])
            known = np.concatenate([[False], seen[:-1]])
        return np.asarray(np.log(p[1:]))


@dataclass(frozen=True)
class _Level:
    """The grams of one length, sorted; a context is the index of a gram one level below."""

    grams: NDArray[np.int64]  # context · vocabulary + code
    counts: NDArray[np.int64]  # by gram
    total: NDArray[np.int64]  # by context
    different: NDArray[np.int64]  # codes seen after it, by context


def _count(codes: NDArray[np.int64], vocabulary: int, order: int) -> list[_Level]:
    levels: list[_Level] = []
    context, contexts = np.zeros(len(codes), dtype=np.int64), 1
    for length in range(min(order, len(codes))):
        keys = context * vocabulary + codes[length:]
        found: Any = np.unique(keys, return_inverse=True, return_counts=True)
        grams, gram_of, counts = found
        levels.append(
            _Level(
                grams,
                counts,
                total=np.bincount(context, minlength=contexts),
                different=np.bincount(grams // vocabulary, minlength=contexts),
            )
        )
        context, contexts = gram_of[:-1], len(grams)
    return levels
