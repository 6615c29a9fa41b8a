"""One or several texts that are read more than once: from memory, or each time from their files.

    >>> texts = Texts(paths)      # ["book.txt", "letters/"]
    >>> letters = Characters.of(texts)
    >>> codes = texts.codes(letters.encode, len(letters))

Files of more than 64 MiB together are not held in memory, and neither are their codes.

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.text.batches import Codes
from chainrule.text.corpus import Paths, text_files, text_parts
from chainrule.text.stored_codes import StoredCodes

LARGE = 2**26  # bytes


class Texts:
    """The parts of the text of `text_files(paths)`; `stored` says that they are read from files.

    Pipes and standard input are held in memory. Raises what `read_text` does.
    """

    def __init__(self, paths: Paths, large: int | None = None) -> None:
        """Read the text, unless its files hold more than `large` (or `LARGE`) bytes together."""
        most = LARGE if large is None else large
        self._files = text_files(paths)
        sizes = [file.stat().st_size for file in self._files if file.is_file()]
        self.stored = len(sizes) == len(self._files) and sum(sizes) > most
        self._text = "" if self.stored else "".join(text_parts(self._files))

    @classmethod
    def of(cls, text: str) -> Texts:
        """A text that is in memory."""
        texts = cls([])
        texts._text = text
        return texts

    def __iter__(self) -> Iterator[str]:
        """The text in parts, from its beginning."""
        return text_parts(self._files) if self.stored else iter([self._text])

    def codes(self, encode: Callable[[str], NDArray[np.int64]], count: int) -> Codes:
        """The codes 0 … count - 1 of the text, in memory or in a file."""
        return StoredCodes(self, encode, count) if self.stored else encode(self._text)
