"""What a language model reads one after the other: characters, words or subwords of a text.

    >>> tokens = tokens_of("chars", ["to be"], most=100)
    >>> tokens.decode(tokens.encode("be to"))
    'be to'

Their vocabularies are strings that a run keeps beside its weights. May import `base`, NumPy and,
for words and subwords, regex and tokenizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.text.characters import Characters

CHARS, WORDS, BPE = "chars", "words", "bpe"
_SYMBOLS, _WORDS, _TOKENIZER = "symbols", "words.json", "tokenizer.json"  # names of assets
_ANCHOR = 8  # tokens before new ones with which they are decoded
_BROKEN = "\ufffd"  # what stands for a character whose bytes are not all there


class Tokens(Protocol):
    """Texts as codes 0 … len - 1, and back."""

    def __len__(self) -> int:
        """The number of different tokens."""

    def encode(self, text: str) -> NDArray[np.int64]:
        """int64 codes, one a token."""

    def decode(self, codes: ArrayLike) -> str:
        """The text of codes."""

    def ends(self, text: str) -> NDArray[np.int64]:
        """The number of characters up to the end of each token of `text`."""


def tokens_of(kind: str, texts: Iterable[str], most: int) -> Tokens:
    """The tokens of `texts`: their characters, at most `most` words or subwords, or a file's.

    `kind` is "chars", "words", "bpe" or the path of a tokenizer.json. Another one raises
    `ConfigError`, a file that is none `DataError`.
    """
    if kind == CHARS:
        return Characters.of(texts)
    if kind == WORDS:
        from chainrule.text.words import Words

        return Words.of(texts, most=most)
    from chainrule.text.subwords import Subwords

    if kind == BPE:
        return Subwords.train(texts, most)
    if not Path(kind).is_file():
        raise ConfigError(
            f"tokens are {CHARS}, {WORDS}, {BPE} or the file of a tokenizer.json; "
            f"there is no file {kind!r}"
        )
    return Subwords.load(kind)


def noun_of(tokens: Tokens) -> str:
    """What one of them is called in messages: character or token."""
    return "character" if isinstance(tokens, Characters) else "token"


def assets_of(tokens: Tokens) -> dict[str, str]:
    """The vocabulary as strings, which `tokens_from` reads back."""
    if isinstance(tokens, Characters):
        return {_SYMBOLS: tokens.symbols}
    from chainrule.text.words import Words

    if isinstance(tokens, Words):
        return {_WORDS: tokens.to_json()}
    from chainrule.text.subwords import Subwords

    assert isinstance(tokens, Subwords)
    return {_TOKENIZER: tokens.to_json()}


def tokens_from(assets: Mapping[str, str]) -> Tokens:
    """The tokens of `assets_of`; damaged ones raise `CheckpointError`."""
    try:
        if _WORDS in assets:
            from chainrule.text.words import Words

            return Words.from_json(assets[_WORDS])
        if _TOKENIZER in assets:
            from chainrule.text.subwords import Subwords

            return Subwords.from_json(assets[_TOKENIZER])
    except DataError as error:
        raise CheckpointError(f"does not hold the model's tokens: {error}") from None
    symbols = assets.get(_SYMBOLS, "")
    letters = Characters.of(symbols)
    if not symbols or letters.symbols != symbols:
        raise CheckpointError("does not hold the model's characters")
    return letters


def pieces_of(tokens: Tokens, prompt: Sequence[int], codes: Iterable[int]) -> Iterator[str]:
    """The text that `codes` add after those of `prompt`, piece by piece as they come.

    Tokens are decoded with those before them, since blanks depend on both sides, and a character
    whose bytes are in several tokens comes when it is whole.
    """
    before, new = list(prompt)[-_ANCHOR:], []
    for code in codes:
        new.append(int(code))
        text = tokens.decode([*before, *new])
        if not text.endswith(_BROKEN):
            yield text[len(tokens.decode(before)) :]
            before, new = [*before, *new][-_ANCHOR:], []
    if new:
        yield tokens.decode([*before, *new])[len(tokens.decode(before)) :]
