"""One or several texts that are read more than once: from memory, or each time from their files.

    >>> texts = Texts(paths)      # ["book.txt", "letters/"]
    >>> letters = Characters.of(texts)
    >>> codes = texts.codes(letters.encode, len(letters))
    >>> learnt, held_out = texts.split()

Files of more than 64 MiB together are not held in memory, and neither are their codes.

May import `base` and NumPy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.text.batches import Codes
from chainrule.text.corpus import Paths, held_out_length, text_files, text_parts
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
        self._within: tuple[int, int] | None = None  # characters of the files; None: all

    @classmethod
    def of(cls, text: str) -> Texts:
        """A text that is in memory."""
        texts = cls([])
        texts._text = text
        return texts

    def __iter__(self) -> Iterator[str]:
        """The text in parts, from its beginning."""
        if not self.stored:
            return iter([self._text])
        parts = text_parts(self._files)
        return _between(parts, *self._within) if self._within else parts

    def split(self) -> tuple[Texts, Texts]:
        """(text to learn from, held-out text): the end, see `held_out_length`."""
        total = sum(map(len, self))
        cut = total - held_out_length(total)
        return self._part(0, cut), self._part(cut, total)

    def codes(self, encode: Callable[[str], NDArray[np.int64]], count: int) -> Codes:
        """The codes 0 … count - 1 of the text, in memory or in a file."""
        return StoredCodes(self, encode, count) if self.stored else encode(self._text)

    def _part(self, start: int, stop: int) -> Texts:
        part = copy.copy(self)
        if self.stored:
            first = self._within[0] if self._within else 0
            part._within = first + start, first + stop  # noqa: SLF001
        else:
            part._text = self._text[start:stop]  # noqa: SLF001
        return part


def _between(parts: Iterable[str], start: int, stop: int) -> Iterator[str]:
    """The characters `start` … `stop` - 1 of a text in parts."""
    before = 0
    for part in parts:
        if before >= stop:
            return
        if inside := part[max(0, start - before) : stop - before]:
            yield inside
        before += len(part)
