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

from chainrule.base.arguments import check_choice
from chainrule.base.errors import ArgumentError, DataError
from chainrule.text.copied_words import CopiedWords
from chainrule.text.pairs import Pair
from chainrule.text.token_kinds import KINDS, token_kind
from chainrule.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class TranslationCodes:
    """The kinds of tokens of both languages (`text.token_kinds`), and their vocabulary."""

    words: CopiedWords
    source_tokens: str
    target_tokens: str

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
        """The vocabulary of `pairs`, see `CopiedWords.of`."""
        cut, cut_target = token_kind(source_tokens).cut, token_kind(target_tokens).cut
        tokens = ((cut(pair.source), cut_target(pair.target)) for pair in pairs)
        words = CopiedWords.of(tokens, most=most, least=least, copies=copies)
        return cls(words, source_tokens, target_tokens)

    def encode(self, source: str) -> tuple[NDArray[np.int64], list[str]]:
        """The codes of a source, and its rare words, which are numbered."""
        return self.words.encode(token_kind(self.source_tokens).cut(source))

    def encode_target(self, target: str, rare: Sequence[str]) -> NDArray[np.int64]:
        """The codes of a target, from `<s>` to `</s>`."""
        return self.words.encode_target(token_kind(self.target_tokens).cut(target), rare)

    def decode(self, codes: ArrayLike, rare: Sequence[str]) -> str:
        """The text of a target's codes, with the rare words of its source."""
        return token_kind(self.target_tokens).join(self.words.decode(codes, rare))

    def to_json(self) -> str:
        """The codes as JSON, for `from_json`."""
        words = self.words
        saved = _Saved(
            words.vocabulary.to_json(), words.copies, self.source_tokens, self.target_tokens
        )
        return msgspec.json.encode(saved).decode()

    @classmethod
    def from_json(cls, text: str) -> TranslationCodes:
        """The codes that `to_json` wrote; other texts raise `DataError`."""
        try:
            saved = msgspec.json.decode(text, type=_Saved)
            for kind in (saved.source_tokens, saved.target_tokens):
                check_choice("tokens", kind, tuple(KINDS))
        except (msgspec.MsgspecError, ArgumentError) as error:
            raise DataError(f"the text is not saved codes of a translation: {error}") from None
        words = CopiedWords(Vocabulary.from_json(saved.vocabulary), saved.copies)
        return cls(words, saved.source_tokens, saved.target_tokens)


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    vocabulary: str
    copies: int
    source_tokens: str
    target_tokens: str
