"""Texts of two languages as codes and back: how they are cut, and a vocabulary with copies.

    >>> pairs = [Pair("x = 1", "Assign/2 x 1"), Pair("y = x", "Assign/2 y x")]
    >>> codes = TranslationCodes.of(pairs, "code", "spaces")
    >>> source, rare = codes.encode("total = price")
    >>> codes.decode(codes.encode_target("Assign/2 total price", rare), rare)
    'Assign/2 total price'

May import `base`, msgspec and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import ArgumentError, DataError
from chainrule.text.copied_words import CopiedWords
from chainrule.text.pairs import Pair
from chainrule.text.subwords import Subwords
from chainrule.text.token_kinds import SUBWORDS, TokenKind, token_kind
from chainrule.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class TranslationCodes:
    """The kinds of tokens of both languages (`text.token_kinds`), and their vocabulary."""

    words: CopiedWords
    source_tokens: str
    target_tokens: str
    subwords: Subwords | None = None  # of the sides that are cut into them

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        source_tokens: str,
        target_tokens: str,
        *,
        most: int | None = None,
        least: int = 1,
        copies: int = 16,
    ) -> TranslationCodes:
        """The vocabulary of `pairs`, see `CopiedWords.of`; subwords are trained on them first.

        Both sides have the same subwords, `most` or 8,000.
        """
        kinds = source_tokens, target_tokens
        texts = [
            t for pair in pairs for t, kind in zip(pair, kinds, strict=True) if kind == SUBWORDS
        ]
        subwords = Subwords.train(texts, most or 8000) if SUBWORDS in kinds else None
        cut, cut_target = (token_kind(kind, subwords).cut for kind in kinds)
        tokens = ((cut(pair.source), cut_target(pair.target)) for pair in pairs)
        pieces = [str(code) for code in range(len(subwords))] if subwords else []
        words = CopiedWords.of(tokens, most=most, least=least, copies=copies, known=pieces)
        return cls(words, source_tokens, target_tokens, subwords)

    def encode(self, source: str) -> tuple[NDArray[np.int64], list[str]]:
        """The codes of a source, and its rare words, which are numbered."""
        return self.words.encode(token_kind(self.source_tokens, self.subwords).cut(source))

    def encode_target(self, target: str, rare: Sequence[str]) -> NDArray[np.int64]:
        """The codes of a target, from `<s>` to `</s>`."""
        return self.words.encode_target(self._target.cut(target), rare)

    def decode(self, codes: ArrayLike, rare: Sequence[str]) -> str:
        """The text of a target's codes, with the rare words of its source."""
        return self._target.join(self.words.decode(codes, rare))

    @property
    def _target(self) -> TokenKind:
        return token_kind(self.target_tokens, self.subwords)

    def to_json(self) -> str:
        """The codes as JSON, for `from_json`."""
        words = self.words
        saved = _Saved(
            words.vocabulary.to_json(),
            words.copies,
            self.source_tokens,
            self.target_tokens,
            self.subwords.to_json() if self.subwords else "",
        )
        return msgspec.json.encode(saved).decode()

    @classmethod
    def from_json(cls, text: str) -> TranslationCodes:
        """The codes that `to_json` wrote; other texts raise `DataError`."""
        try:
            saved = msgspec.json.decode(text, type=_Saved)
            subwords = Subwords.from_json(saved.subwords) if saved.subwords else None
            for kind in (saved.source_tokens, saved.target_tokens):
                token_kind(kind, subwords)
        except (msgspec.MsgspecError, ArgumentError) as error:
            raise DataError(f"the text is not saved codes of a translation: {error}") from None
        words = CopiedWords(Vocabulary.from_json(saved.vocabulary), saved.copies)
        return cls(words, saved.source_tokens, saved.target_tokens, subwords)


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    vocabulary: str
    copies: int
    source_tokens: str
    target_tokens: str
    subwords: str = ""
