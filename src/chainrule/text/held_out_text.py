"""A held-out text as codes, which knows how many characters they stand for.

    >>> held_out = HeldOutText.of(["to be,", " or"], tokens)      # words
    >>> held_out.codes.tolist(), held_out.characters(0, 3)        # "be," and the blank before
    ([5, 4, 2, 7], 4)

So losses of models with different tokens can be compared. May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.text.tokens import Tokens


@dataclass(frozen=True)
class HeldOutText:
    """The codes of a text, and the character at which each token ends."""

    codes: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str], tokens: Tokens) -> HeldOutText:
        """The text in parts, such as `Texts`."""
        codes, ends, before = [tokens.encode("")], [tokens.ends("")], 0
        for text in texts:
            codes.append(tokens.encode(text))
            ends.append(tokens.ends(text) + before)
            before += len(text)
        return cls(np.concatenate(codes), np.concatenate(ends))

    def __len__(self) -> int:
        return len(self.codes)

    def characters(self, first: int, last: int) -> int:
        """The characters after token `first` up to the end of token `last`."""
        return int(self.ends[last] - self.ends[first])
