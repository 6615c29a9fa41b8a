"""A vocabulary of tokens: words, labels or other strings to integer codes and back.

    >>> words = Vocabulary.of("the cat saw the dog".split())
    >>> words.tokens
    ('<pad>', '<unk>', 'the', 'cat', 'dog', 'saw')
    >>> words.encode(["the", "bird", "saw"]).tolist(), words.decode([2, 1, 5])
    ([2, 1, 5], ['the', '<unk>', 'saw'])

Labels need neither padding nor a code for what is unknown:

    >>> Vocabulary.of(["yes", "no", "yes"], padding=None, unknown=None).tokens
    ('yes', 'no')

May import `base`, msgspec and NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.arguments import first_few
from chainrule.base.errors import ArgumentError, DataError

PADDING, UNKNOWN = "<pad>", "<unk>"
_SHOWN = 10  # unknown tokens in a message


@dataclass(frozen=True)
class Vocabulary:
    """Distinct tokens; a token's code is its position in `tokens`.

    `padding` and `unknown` are two of the tokens, or None where there is no such code. The code of
    padding stands for no token: a token of a text that is spelt like it is unknown.
    """

    tokens: tuple[str, ...]
    padding: str | None = None
    unknown: str | None = None

    def __post_init__(self) -> None:
        repeated = [token for token, count in Counter(self.tokens).items() if count > 1]
        if repeated:
            raise ArgumentError(f"a vocabulary holds each token once, not {repeated[0]!r} twice")
        for name, token in (("padding", self.padding), ("unknown", self.unknown)):
            if token is not None and token not in self.tokens:
                raise ArgumentError(f"{name} is {token!r}, which is not one of the tokens")

    @classmethod
    def of(
        cls,
        tokens: Iterable[str] | Mapping[str, int],
        *,
        least: int = 1,
        most: int | None = None,
        padding: str | None = PADDING,
        unknown: str | None = UNKNOWN,
        special: Sequence[str] = (),
    ) -> Vocabulary:
        """The vocabulary of `tokens`, the most frequent first, equally frequent ones in order.

        `tokens` are the tokens of a text or their counts. First come `padding`, `unknown` and
        `special`, then at most `most` of the tokens that occur at least `least` times. Without
        `unknown`, tokens that are left out cannot be encoded.
        """
        counts = Counter(tokens)
        first = [token for token in (padding, unknown, *special) if token is not None]
        for token in first:
            counts.pop(token, None)
        ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        frequent = [token for token, count in ordered if count >= least]
        return cls((*first, *frequent[:most]), padding, unknown)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._codes

    def code(self, token: str) -> int:
        """The code of one token; `DataError` if it has none and there is no `unknown`."""
        return int(self.encode([token])[0])

    @property
    def padding_code(self) -> int:
        """The code of padding; `ArgumentError` in a vocabulary without one."""
        if self.padding is None:
            raise ArgumentError("this vocabulary has no padding; make it with padding='<pad>'")
        return self.tokens.index(self.padding)

    @property
    def unknown_code(self) -> int:
        """The code of unknown tokens; `ArgumentError` in a vocabulary without one."""
        if self.unknown is None:
            raise ArgumentError("this vocabulary has no unknown token; make it with unknown=…")
        return self.tokens.index(self.unknown)

    def encode(self, tokens: Iterable[str]) -> NDArray[np.int64]:
        """int64 codes, one a token; those not in the vocabulary get the code of `unknown`.

        Without `unknown` they raise `DataError`.
        """
        codes = self._codes
        if self.unknown is not None:
            unknown = codes[self.unknown]
            return np.array([codes.get(token, unknown) for token in tokens], dtype=np.int64)
        given = list(tokens)
        try:
            return np.array([codes[token] for token in given], dtype=np.int64)
        except KeyError:
            raise DataError(self._refusal(given)) from None

    def decode(self, codes: ArrayLike) -> list[str]:
        """The tokens of one-dimensional `codes`; codes outside the vocabulary raise `DataError`."""
        indices = np.asarray(codes, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise DataError(f"codes of this vocabulary lie in 0 … {len(self) - 1}")
        return [self.tokens[index] for index in indices.tolist()]

    def to_json(self) -> str:
        """The vocabulary as JSON, for `from_json`."""
        saved = _Saved(list(self.tokens), self.padding, self.unknown)
        return msgspec.json.encode(saved).decode()

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """The vocabulary that `to_json` wrote; other texts raise `DataError`."""
        try:
            saved = msgspec.json.decode(text, type=_Saved)
            return cls(tuple(saved.tokens), saved.padding, saved.unknown)
        except (msgspec.MsgspecError, ArgumentError) as error:
            raise DataError(f"the text is not a saved vocabulary: {error}") from None

    @cached_property
    def _codes(self) -> dict[str, int]:
        """Codes of the tokens that a text may hold: all but padding."""
        return {token: code for code, token in enumerate(self.tokens) if token != self.padding}

    def _refusal(self, tokens: Sequence[str]) -> str:
        unknown = sorted({repr(token) for token in tokens if token not in self._codes})
        return (
            f"the vocabulary of {len(self)} tokens has no {first_few(unknown, _SHOWN, ' ')}; "
            "use only tokens of the training data, or make the vocabulary with unknown='<unk>'"
        )


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[str]
    padding: str | None
    unknown: str | None
