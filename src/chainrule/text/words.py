"""Words of a text by Unicode's rules, with their places; and texts as codes of words.

    >>> words_of("“Don't!” cost 3.50, naïvely.")
    ['“', "Don't", '!', '”', 'cost', '3.50', ',', 'naïvely', '.']
    >>> word_spans("to be")
    [(0, 2), (3, 5)]

Boundaries are those of UAX #29, by the library `regex`: marks stay with their letters (हिन्दी),
`can't` and `3.50` are one word, and each other sign is one by itself, as is each Chinese character.
Spaces are no words. Case is kept; a model that should not see it gets the words of `text.lower()`.
Source: Unicode Standard Annex 29, https://unicode.org/reports/tr29/

May import `base`, NumPy and regex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import ArrayLike, NDArray

from chainrule.text.vocabulary import Vocabulary

_BOUNDARY = regex.compile(r"\b", regex.WORD)
_LINE_END = "\n"


def words_of(text: str) -> list[str]:
    """The words and signs of `text`, in order."""
    return [piece for cut in _segments(text) if (piece := cut.strip())]


def word_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word and sign in `text`, in characters: those of `words_of`."""
    spans, end = [], 0
    for word in words_of(text):
        start = text.index(word, end)
        end = start + len(word)
        spans.append((start, end))
    return spans


@dataclass(frozen=True)
class Words:
    """Texts as codes of words, as a language model of words reads them.

    >>> model_words = Words.of("to be, or not to be")
    >>> model_words.decode(model_words.encode("not to be!"))
    'not to be <unk>'

    The end of a line is a word, too. Words that are not in the vocabulary are unknown, and the
    number of spaces between words is not kept: `decode` puts one.
    """

    vocabulary: Vocabulary

    @classmethod
    def of(cls, text: str | Iterable[str], *, least: int = 1, most: int | None = None) -> Words:
        """The words of a text (or of its parts, such as its lines) that occur `least` times."""
        parts = [text] if isinstance(text, str) else text
        pieces = (piece for part in parts for piece in _pieces(part))
        return cls(Vocabulary.of(pieces, least=least, most=most, padding=None))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> NDArray[np.int64]:
        """int64 codes, one for each word, sign and line end."""
        return self.vocabulary.encode(_pieces(text))

    def decode(self, codes: ArrayLike) -> str:
        """The text of one-dimensional `codes`, with a space between two words of a line."""
        lines = " ".join(self.vocabulary.decode(codes)).split(_LINE_END)
        return _LINE_END.join(line.strip(" ") for line in lines)

    def ends(self, text: str) -> NDArray[np.int64]:
        """The number of characters up to the end of each word, sign and line end."""
        cuts = [*_segments(text)]
        ends = np.cumsum([len(cut) for cut in cuts], dtype=np.int64)
        return ends[[bool(_piece(cut)) for cut in cuts]] if cuts else ends

    def to_json(self) -> str:
        """The vocabulary as JSON, for `from_json`."""
        return self.vocabulary.to_json()

    @classmethod
    def from_json(cls, text: str) -> Words:
        """What `to_json` wrote; other texts raise `DataError`."""
        return cls(Vocabulary.from_json(text))


def _segments(text: str) -> Iterator[str]:
    """The text cut at every boundary, spaces included; a mark after a space is with it."""
    places = (match.start() for match in _BOUNDARY.finditer(text))
    return (text[start:end] for start, end in pairwise(places))


def _pieces(text: str) -> Iterator[str]:
    """Words, signs and line ends."""
    return filter(None, map(_piece, _segments(text)))


def _piece(cut: str) -> str:
    """The word, sign or line end of a segment; empty for blanks."""
    return cut if cut == _LINE_END else cut.strip()
