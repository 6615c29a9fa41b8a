"""Words by their vectors: the nearest ones, analogies, and groups that belong together.

    >>> vectors = np.array([[1, 0], [1, 1], [2, 0], [2, 2]])
    >>> space = WordSpace(["cat", "cats", "dog", "dogs"], vectors)
    >>> space.nearest("cat", 1)
    [('dog', 1.0)]
    >>> space.analogy("cat", "cats", "dog", 1)
    [('dogs', 1.0)]

Likeness is the cosine. May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import DataError, ShapeError

_LEAST = 1e-12
_TOGETHER = 256  # questions that are answered at once


class WordSpace:
    """Words and their vectors, of length 1."""

    def __init__(self, words: Sequence[str], vectors: ArrayLike) -> None:
        """Row i of `vectors`, [words, width], is the vector of word i."""
        rows = np.asarray(vectors, dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(words):
            raise ShapeError(f"{len(words)} words need vectors [words, width], not {rows.shape}")
        self.words = tuple(words)
        self.vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST)
        self._codes = {word: code for code, word in enumerate(self.words)}

    def __contains__(self, word: object) -> bool:
        return word in self._codes

    def nearest(self, word: str, most: int) -> list[tuple[str, float]]:
        """The `most` other words that are nearest to a word, with their cosines."""
        code = self._code(word)
        return self._best(self.vectors[code], {code}, most)

    def analogy(self, a: str, b: str, c: str, most: int) -> list[tuple[str, float]]:
        """Words that are to `c` what `b` is to `a`: nearest to b - a + c, without these three.

        Source: Mikolov, Yih & Zweig, Linguistic Regularities in Continuous Space Word
        Representations (2013), §5.
        """
        codes = [self._code(word) for word in (a, b, c)]
        first, second, third = self.vectors[codes]
        return self._best(second - first + third, set(codes), most)

    def recall(self, pairs: Iterable[tuple[str, str]], most: int) -> float:
        """The share of pairs (a, b) in which b is among the `most` words nearest to a."""
        codes = np.array([(self._code(a), self._code(b)) for a, b in pairs]).reshape(-1, 2)
        if not len(codes):
            return float("nan")
        hits = [
            self._ranks(self.vectors[part[:, 0]], part[:, :1], part[:, 1]) < most
            for part in _parts(codes)
        ]
        return float(np.concatenate(hits).mean())

    def analogy_accuracy(self, pairs: Sequence[tuple[str, str]], most: int) -> float:
        """The share of analogies a : b = c : ? whose d is among the `most` best.

        (a, b) and (c, d) are each pair and the next one, the last and the first.
        """
        codes = np.array([(self._code(a), self._code(b)) for a, b in pairs]).reshape(-1, 2)
        if len(codes) < 2:
            return float("nan")
        asked = np.concatenate([codes, np.roll(codes, -1, axis=0)], axis=1)
        hits = []
        for part in _parts(asked[asked[:, 1] != asked[:, 3]]):
            a, b, c = (self.vectors[part[:, i]] for i in range(3))
            hits.append(self._ranks(b - a + c, part[:, :3], part[:, 3]) < most)
        return float(np.concatenate(hits).mean()) if hits else float("nan")

    def auc(self, groups: Iterable[Sequence[str]]) -> float:
        """How well likeness tells groups apart: P(two words of one group are more alike than two
        of different groups), the area under the ROC curve; words without a vector are left out.
        """  # noqa: D205 - the formula is the summary
        known = [(number, self._codes[word]) for number, group in enumerate(groups)
                 for word in group if word in self._codes]  # fmt: skip
        numbers, codes = np.array(known, dtype=np.int64).reshape(-1, 2).T
        first, second = np.triu_indices(len(codes), 1)
        cosines = (self.vectors[codes[first]] * self.vectors[codes[second]]).sum(1)
        same = numbers[first] == numbers[second]
        if same.all() or not same.any():
            return float("nan")
        return _area(cosines[same], cosines[~same])

    def _ranks(
        self, aims: NDArray[np.float32], given: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """How many words, without those `given`, are nearer to each aim than the `wanted` one."""
        scores = aims @ self.vectors.T
        np.put_along_axis(scores, given, -np.inf, axis=1)
        own = np.take_along_axis(scores, wanted[:, None], axis=1)
        return np.asarray((scores > own).sum(1))

    def _code(self, word: str) -> int:
        try:
            return self._codes[word]
        except KeyError:
            raise DataError(
                f"there is no vector of {word!r}: it was not frequent enough in the text"
            ) from None

    def _best(
        self, aim: NDArray[np.float32], without: set[int], most: int
    ) -> list[tuple[str, float]]:
        cosines = self.vectors @ (aim / max(float(np.linalg.norm(aim)), _LEAST))
        order = [int(i) for i in np.argsort(-cosines, kind="stable") if int(i) not in without]
        return [(self.words[i], float(cosines[i])) for i in order[:most]]


def _parts(codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows in groups whose likenesses to all words fit into memory."""
    return np.split(codes, range(_TOGETHER, len(codes), _TOGETHER))


def _area(higher: NDArray[np.float32], lower: NDArray[np.float32]) -> float:
    """P(an element of `higher` exceeds one of `lower`), equal ones counted half."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, "left") + np.searchsorted(ordered, higher, "right")
    return float(below.mean() / (2 * len(lower)))


def plural_pairs(words: Iterable[str], least: int = 3) -> list[tuple[str, str]]:
    """Each word of at least so many letters with the same word and "s", if both are there.

    Most are a noun and its plural, others a verb and its third person.
    """
    listed = list(words)
    known = set(listed)
    return [(word, word + "s") for word in listed if len(word) >= least and word + "s" in known]
