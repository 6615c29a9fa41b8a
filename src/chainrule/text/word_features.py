"""What a tagger sees of a word: its code, and the codes of its affixes and of its shape.

    >>> features = WordFeatures.of([["unhappy", "unhappily"], ["happy"]], least=1)
    >>> features.encode(["happy", "unhappiest"]).shape
    (2, 9)
    >>> shape_of("McDonald's"), shape_of("1984")
    ("XxXxx'x", 'dd')

Affixes say what an unknown word probably is: -ly an adverb, un- an adjective, Xxx a name. Words
and affixes are compared without case, which the shape keeps. May import `base` and NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError
from chainrule.text.vocabulary import Vocabulary

PREFIXES = (1, 2, 3)  # characters
SUFFIXES = (1, 2, 3, 4)
AFFIXES = len(PREFIXES) + len(SUFFIXES) + 1  # and the shape
_LEAST = 3  # occurrences of an affix
_SHOWN = 10  # characters of a shape


def affixes_of(word: str) -> list[str]:
    """The affixes of a word and its shape, always `AFFIXES` of them.

    >>> affixes_of("Cats")
    ['c-', 'ca-', 'cat-', '-s', '-ts', '-ats', '-cats', '=Xxx']
    """
    folded = word.lower()
    return [
        *(f"{folded[:length]}-" for length in PREFIXES),
        *(f"-{folded[-length:]}" for length in SUFFIXES),
        f"={shape_of(word)}",
    ]


def shape_of(word: str) -> str:
    """X for capital, x for small letters, d for digits, each at most twice in a row, 10 in all."""
    shape = ""
    for character in word:
        kind = (
            "X" if character.isupper()
            else "x" if character.isalpha()
            else "d" if character.isdigit()
            else character
        )  # fmt: skip
        if shape[-2:] != 2 * kind:
            shape += kind
    return shape[:_SHOWN]


@dataclass(frozen=True)
class WordFeatures:
    """Two vocabularies: words, which are folded to lower case, and affixes."""

    words: Vocabulary
    affixes: Vocabulary

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], least: int = 2) -> WordFeatures:
        """Words that occur at least `least` times in `sentences`, and affixes at least 3 times.

        Rarer ones are unknown, so that a model learns what unknown words are like.
        """
        words: Counter[str] = Counter()
        affixes: Counter[str] = Counter()
        for word, count in Counter(chain.from_iterable(sentences)).items():
            words[word.lower()] += count
            for affix in affixes_of(word):
                affixes[affix] += count
        return cls(Vocabulary.of(words, least=least), Vocabulary.of(affixes, least=_LEAST))

    def encode(self, words: Sequence[str]) -> NDArray[np.int64]:
        """int64 [words, 1 + AFFIXES]: the word's code, then those of its affixes; padding is 0."""
        rows = [self._row(word) for word in words]
        return np.array(rows, dtype=np.int64).reshape(len(rows), 1 + AFFIXES)

    def _row(self, word: str) -> tuple[int, ...]:
        """The codes of one word, computed once."""
        if word not in self._rows:
            affixes = self.affixes.encode(affixes_of(word)).tolist()
            self._rows[word] = (self.words.code(word.lower()), *affixes)
        return self._rows[word]

    @cached_property
    def _rows(self) -> dict[str, tuple[int, ...]]:
        return {}

    def to_json(self) -> str:
        """The vocabularies as JSON, for `from_json`."""
        return msgspec.json.encode([self.words.to_json(), self.affixes.to_json()]).decode()

    @classmethod
    def from_json(cls, text: str) -> WordFeatures:
        """The features that `to_json` wrote; other texts raise `DataError`."""
        try:
            words, affixes = msgspec.json.decode(text, type=tuple[str, str])
        except msgspec.MsgspecError as error:
            raise DataError(f"the text is not saved word features: {error}") from None
        return cls(Vocabulary.from_json(words), Vocabulary.from_json(affixes))
