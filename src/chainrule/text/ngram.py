"""Counting language models over characters, the baselines of a network.

    >>> model = CharacterNGram(codes, vocabulary=65, order=5)
    >>> float(-model.log_probabilities(held_out).mean())      # nats a character
    1.67

May import NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
            own, rest, total = self._parts(level, np.where(seen, found, -1), context)
            follows = known & (total > 0)
            p = np.where(follows, (own + rest * p) / np.where(follows, total, 1), p)
            # The gram that ends here is the context of the next position.
            context = np.concatenate([[0], np.where(seen, found, 0)[:-1]])
            known = np.concatenate([[False], seen[:-1]])
        return np.asarray(np.log(p[1:]))

    def _parts(
        self, level: _Level, found: NDArray[np.int64], context: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(own, rest, total) with p(c | h) = (own + rest · p(c | shorter h)) / total.

        `found` are grams, -1 where there is none, and `context` those that they continue.
        """
        count = np.where(found >= 0, level.counts[found], 0)
        different = level.different[context]
        return count, different, level.total[context] + different


class KneserNey(CharacterNGram):
    """Interpolated modified Kneser–Ney model of the given order.

    p(c | h) = (n(hc) - D(n(hc)) + p(c | h without its first character) · Σ_c' D(n(hc'))) / n(h),
    where n counts occurrences for the longest history, and for shorter ones the different
    characters seen before hc. D takes one of three discounts from counts of 1, 2 and more, which
    follow from how many grams occur once to four times; where that gives no discount above 0, as
    in short texts, they are ½, 1 and 1½. The empty history falls back to 1 / vocabulary.
    Source: Chen & Goodman, An Empirical Study of Smoothing Techniques (1998), §3.
    """

    def __init__(self, codes: NDArray[np.int64], vocabulary: int, order: int = 5) -> None:
        """Count the grams of `codes` (values 0 … vocabulary - 1) of each length up to `order`."""
        super().__init__(codes, vocabulary, order)
        longer = [*self._levels[1:], None]
        self._levels = [
            _adjusted(level, above, vocabulary)
            for level, above in zip(self._levels, longer, strict=True)
        ]

    def _parts(
        self, level: _Level, found: NDArray[np.int64], context: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        assert level.rest is not None
        discounted = np.where(found >= 0, level.counts[found], 0)
        return discounted, level.rest[context], level.total[context]


def _adjusted(level: _Level, above: _Level | None, vocabulary: int) -> _Level:
    """The level with discounted counts, and what each context has left for shorter ones."""
    if above is None:
        counts = level.counts
    else:
        counts = np.bincount(above.suffixes, minlength=len(level.grams))
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    contexts = level.grams // vocabulary
    size = len(level.total)
    return replace(
        level,
        counts=counts - discounts,
        total=np.bincount(contexts, counts, size),
        rest=np.bincount(contexts, discounts, size),
    )


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Those of counts 0, 1, 2 and 3 or more.

    The last three are ½, 1 and 1½ where some of 1 … 4 do not occur, or one would not be above 0:
    a history would leave nothing for characters that were not seen after it.
    """
    once, twice, three, four = (float((counts == n).sum()) for n in (1, 2, 3, 4))
    usual = np.array([0, 0.5, 1.0, 1.5])
    if not (once and twice and three and four):
        return usual
    y = once / (once + 2 * twice)
    found = np.array(
        [0, 1 - 2 * y * twice / once, 2 - 3 * y * three / twice, 3 - 4 * y * four / three]
    )
    return found if found[1:].min() > 0 else usual


@dataclass(frozen=True)
class _Level:
    """The grams of one length, sorted; a context is the index of a gram one level below."""

    grams: NDArray[np.int64]  # context · vocabulary + code
    counts: NDArray[Any]  # by gram
    total: NDArray[Any]  # by context
    different: NDArray[np.int64]  # codes seen after it, by context
    suffixes: NDArray[np.int64]  # by gram: it without its first code, a gram one level below
    rest: NDArray[Any] | None = None  # what discounts leave, by context


def _count(codes: NDArray[np.int64], vocabulary: int, order: int) -> list[_Level]:
    levels: list[_Level] = []
    context, contexts = np.zeros(len(codes), dtype=np.int64), 1
    shorter = np.zeros(len(codes) + 1, dtype=np.int64)  # gram of each position, one level below
    for length in range(min(order, len(codes))):
        keys = context * vocabulary + codes[length:]
        found: Any = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        grams, first, gram_of, counts = found
        levels.append(
            _Level(
                grams,
                counts,
                total=np.bincount(context, minlength=contexts),
                different=np.bincount(grams // vocabulary, minlength=contexts),
                suffixes=shorter[first + 1],
            )
        )
        shorter = gram_of
        context, contexts = gram_of[:-1], len(grams)
    return levels
