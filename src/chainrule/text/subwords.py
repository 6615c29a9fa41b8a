"""Subwords: frequent words whole, rare ones in pieces, by the library `tokenizers`.

    >>> subwords = Subwords.train(["low lower lowest", "slow slower"], size=270)
    >>> subwords.decode(subwords.encode("slowest"))
    'slowest'
    >>> subwords.pieces("slowest"), subwords.spans("slowest")
    (['slowe', 'st'], [(0, 5), (5, 7)])

A saved `tokenizer.json` is the one that others read, and theirs can be loaded. The library is an
extra: `pip install 'chainrule[text]'`.

May import `base`, NumPy and tokenizers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, DataError, MissingImportError
from chainrule.text.corpus import read_text

BYTES = 256  # the first pieces: every text can be written with them


class Subwords:
    """A text as codes of subwords, and back without loss if it was trained here.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units (2016); on
    bytes as in Radford et al., Language Models are Unsupervised Multitask Learners (2019).
    """

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is a `tokenizers.Tokenizer`; special tokens in texts are plain text to it."""
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

    @classmethod
    def train(
        cls, texts: Iterable[str], size: int = 8000, *, special: Sequence[str] = ()
    ) -> Subwords:
        """Byte pair encoding of `size` pieces at most, those in `special` first.

        Starting with bytes, the most frequent pair of neighbours within a word becomes a piece,
        again and again. The same texts give the same pieces.
        """
        least = BYTES + len(special)
        check_whole("size", size, least)
        library = _library()
        tokenizer = library.Tokenizer(library.models.BPE())
        by_bytes = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.pre_tokenizer = by_bytes
        tokenizer.decoder = library.decoders.ByteLevel()
        tokenizer.post_processor = library.processors.ByteLevel(trim_offsets=False)
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(special),
            initial_alphabet=by_bytes.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, text: str) -> Subwords:
        """The subwords of a tokenizer.json's text; other texts raise `DataError`."""
        library = _library()
        try:
            return cls(library.Tokenizer.from_str(text))
        except Exception as error:  # noqa: BLE001 - the library raises `Exception` itself
            raise DataError(f"the text is not a tokenizer.json: {error}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Subwords:
        """The subwords of a tokenizer.json, from here or elsewhere."""
        text = read_text(path)
        try:
            return cls.from_json(text)
        except DataError as error:
            raise DataError(f"{str(path)!r} cannot be used: {error.args[0]}") from None

    def to_json(self) -> str:
        """The text of a tokenizer.json."""
        return str(self._tokenizer.to_str())

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def code(self, piece: str) -> int:
        """The code of a piece, such as a special one; `ArgumentError` if there is none."""
        found = self._tokenizer.token_to_id(piece)
        if found is None:
            raise ArgumentError(f"there is no piece {piece!r} among the {len(self)} subwords")
        return int(found)

    def encode(self, text: str) -> NDArray[np.int64]:
        """int64 codes, one for each subword."""
        return np.array(self._encoded(text).ids, dtype=np.int64)

    def decode(self, codes: ArrayLike) -> str:
        """The text of one-dimensional `codes`, without special pieces."""
        indices = np.asarray(codes, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise DataError(f"codes of these subwords lie in 0 … {len(self) - 1}")
        return str(self._tokenizer.decode(indices.tolist()))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each subword in `text`, in characters.

        Pieces of one character, the bytes of a rare one, share its place.
        """
        return list(self._encoded(text).offsets)

    def ends(self, text: str) -> NDArray[np.int64]:
        """The number of characters up to the end of each subword."""
        return np.array([end for _, end in self.spans(text)], dtype=np.int64)

    def pieces(self, text: str) -> list[str]:
        """The part of `text` that each subword stands for."""
        return [text[start:end] for start, end in self.spans(text)]

    def _encoded(self, text: str) -> Any:
        return self._tokenizer.encode(text, add_special_tokens=False)


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingImportError(
            "subwords need the library tokenizers: pip install 'chainrule[text]'"
        ) from None
    return tokenizers
