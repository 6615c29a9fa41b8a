"""Codes of texts and their translations, in which rare words are copied.

    >>> words = CopiedWords.of([(["a", "=", "b"], ["Assign", "a", "b"])])
    >>> words.vocabulary.tokens[-2:]
    ('=', 'Assign')
    >>> codes, rare = words.encode("total = price".split())
    >>> words.vocabulary.decode(codes), rare
    (['<1>', '=', '<2>'], ['total', 'price'])
    >>> words.vocabulary.decode(words.encode_target("Assign total price".split(), rare))
    ['<s>', 'Assign', '<1>', '<2>', '</s>']

May import `base`, msgspec and NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.text.vocabulary import PADDING, UNKNOWN, Vocabulary

START, END = "<s>", "</s>"


@dataclass(frozen=True)
class CopiedWords:
    """A vocabulary of both languages, with `<1>`, `<2>` … for words that it does not hold.

    They stand for the first, the second, … such word of the source, and in the target for the same
    words. So the vocabulary is closed and small, and a name that was never seen is translated.
    Without copies, and for a word that the source does not hold, there is `<unk>`. Source: Luong,
    Sutskever, Le, Vinyals & Zaremba, Addressing the Rare Word Problem in Neural Machine Translation
    (2015), §3.1: the copyable model.
    """

    vocabulary: Vocabulary
    copies: int

    @classmethod
    def of(
        cls,
        pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
        *,
        most: int | None = None,
        least: int = 1,
        copies: int = 16,
        known: Sequence[str] = (),
    ) -> CopiedWords:
        """The vocabulary of pairs of tokens: the words that copying does not serve.

        A word is copied if at least half of the pairs that hold it hold it on both sides: names,
        numbers. Of the others, the vocabulary has the `most` frequent that occur in at least
        `least` pairs, after those that are `known` in any case. With `copies` 0 no word is copied.
        """
        apart: Counter[str] = Counter()
        together: Counter[str] = Counter()
        for source, target in pairs:
            here, there = set(source), set(target)
            apart.update(here ^ there)
            together.update(here & there)
        counts = {
            token: apart[token] + together[token]
            for token in apart | together
            if not copies or apart[token] > together[token]
        }
        marks = [f"<{number}>" for number in range(1, copies + 1)]
        special = (START, END, *marks, *known)
        return cls(Vocabulary.of(counts, most=most, least=least, special=special), copies)

    def encode(self, source: Iterable[str]) -> tuple[NDArray[np.int64], list[str]]:
        """The codes of a source, and its words that the vocabulary does not hold, in order."""
        tokens = list(source)
        rare = list(dict.fromkeys(token for token in tokens if not self._known(token)))
        return self._encode(tokens, rare), rare

    def encode_target(self, target: Iterable[str], rare: Sequence[str]) -> NDArray[np.int64]:
        """The codes of a translation, between those of `<s>` and `</s>`."""
        return np.concatenate([[self.start], self._encode(target, rare), [self.end]])

    def decode(self, codes: ArrayLike, rare: Sequence[str]) -> list[str]:
        """The tokens of a translation up to its end, with the rare words of its source.

        A place for a word that the source does not have stays empty.
        """
        tokens = self.vocabulary.decode(codes)
        tokens = tokens[: tokens.index(END)] if END in tokens else tokens
        copied = dict(zip(self._marks, rare, strict=False))
        empty = {START, PADDING, *self._marks} - copied.keys()
        return [copied.get(token, token) for token in tokens if token not in empty]

    @property
    def start(self) -> int:
        """The code that a translation begins with."""
        return self.vocabulary.tokens.index(START)

    @property
    def end(self) -> int:
        """The code that a translation ends with."""
        return self.vocabulary.tokens.index(END)

    def _known(self, token: str) -> bool:
        return token in self.vocabulary and token not in self._special

    def _encode(self, tokens: Iterable[str], rare: Sequence[str]) -> NDArray[np.int64]:
        mark = dict(zip(rare, self._marks, strict=False))
        return self.vocabulary.encode(
            token if self._known(token) else mark.get(token, UNKNOWN) for token in tokens
        )

    @cached_property
    def _marks(self) -> list[str]:
        return [f"<{number}>" for number in range(1, self.copies + 1)]

    @cached_property
    def _special(self) -> set[str]:
        return {PADDING, UNKNOWN, START, END, *self._marks}
