"""A translator that looks up: the target of the training pair whose source is most alike.

    >>> nearest = NearestPair([[1, 2, 3], [4, 5]], ["one", "two"])
    >>> nearest([1, 2, 9])
    'one'

May import `base` and NumPy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Codes = Sequence[int] | NDArray[np.int64]
_END = -1


class NearestPair(Generic[T]):
    """A baseline of translation: what a table of examples achieves.

    Sources are compared as sets of tokens and of pairs of neighbours, A and B: |A ∩ B| / |A ∪ B|
    (Jaccard). An equal source is found if there is one, else the first of the most similar ones.
    """

    def __init__(self, sources: Sequence[Codes], targets: Sequence[T]) -> None:
        self._targets = targets
        self._equal: dict[tuple[int, ...], int] = {}
        postings: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, source in enumerate(sources):
            self._equal.setdefault(tuple(source), number)
            for gram in _grams(source):
                postings[gram].append(number)
        self._postings = {gram: np.array(numbers) for gram, numbers in postings.items()}
        self._sizes = np.array([len(_grams(source)) for source in sources])

    def __call__(self, source: Codes) -> T:
        """The target of the most similar source."""
        equal = self._equal.get(tuple(source))
        if equal is not None:
            return self._targets[equal]
        common = np.zeros(len(self._sizes))
        grams = _grams(source)
        for gram in grams:
            if gram in self._postings:
                common[self._postings[gram]] += 1
        return self._targets[int((common / (self._sizes + len(grams) - common)).argmax())]


def _grams(source: Codes) -> set[tuple[int, ...]]:
    codes = [_END, *map(int, source), _END]
    return {(code,) for code in codes} | set(pairwise(codes))
