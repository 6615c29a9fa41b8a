"""A vocabulary of characters: text to integer codes and back.

    >>> letters = Characters.of("banana")
    >>> letters.symbols, letters.encode("nab").tolist(), letters.decode([1, 0])
    ('abn', [2, 0, 1], 'ba')

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.arguments import first_few
from chainrule.base.errors import DataError

_SHOWN = 10  # unknown characters in a message


@dataclass(frozen=True)
class Characters:
    """Distinct characters in code-point order; a character's code is its position in `symbols`."""

    symbols: str

    @classmethod
    def of(cls, text: str | Iterable[str]) -> Characters:
        """The vocabulary of the characters in a text, or in its parts."""
        symbols: set[str] = set()
        for part in [text] if isinstance(text, str) else text:
            symbols.update(part)
        return cls("".join(sorted(symbols)))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> NDArray[np.int64]:
        """int64 codes, one a character; characters outside the vocabulary raise `DataError`."""
        points = _code_points(text)
        known = _code_points(self.symbols)
        codes = np.searchsorted(known, points)
        if not len(known) or not np.array_equal(known[np.minimum(codes, len(known) - 1)], points):
            self._explain_unknown(text)
        return codes.astype(np.int64)

    def decode(self, codes: ArrayLike) -> str:
        """The text of one-dimensional `codes`; codes outside the vocabulary raise `DataError`."""
        indices = np.asarray(codes, dtype=np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise DataError(f"codes of characters lie in 0 … {len(self) - 1}")
        points: NDArray[np.uint32] = _code_points(self.symbols)[indices]
        return points.astype("<u4").tobytes().decode("utf-32-le")

    def ends(self, text: str) -> NDArray[np.int64]:
        """The number of characters up to the end of each: 1, 2, 3 …."""
        return np.arange(1, len(text) + 1)

    def _explain_unknown(self, text: str) -> None:
        unknown = sorted(set(text) - set(self.symbols))
        if not unknown:  # empty text in an empty vocabulary
            return
        shown = first_few([repr(c) for c in unknown], _SHOWN, " ")
        raise DataError(
            f"the vocabulary of {len(self)} characters has no {shown}; "
            "use only characters that the training text contains"
        )


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
