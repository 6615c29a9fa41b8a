"""Codes of texts larger than memory: made part by part, kept in a file, read by windows.

    >>> letters = Characters.of(text_parts("book.txt"))
    >>> codes = StoredCodes(text_parts("book.txt"), letters.encode, len(letters))
    >>> RandomWindows(codes[:-1000], context=64, batch=12, seed=0).draw()

The file is in the cache folder (`CHAINRULE_CACHE_DIR`), has a byte for each code if there are at
most 256, and is gone when the program ends. It is read, not mapped: pages of a mapped file count as
the program's memory. May import `base` and NumPy.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError, KindError
from chainrule.base.settings import settings

_PART = 2**20  # codes that are read at once


class StoredCodes:
    """The codes 0 … count - 1 of all `parts` of a text, in their order.

    `len()` and slices are those of an array; a slice is in the same file. Raises `DataError` if the
    disk is full.
    """

    def __init__(
        self, parts: Iterable[str], encode: Callable[[str], NDArray[np.int64]], count: int
    ) -> None:
        self._kind: np.dtype[Any] = np.min_scalar_type(max(0, count - 1))
        self._start = self._length = 0
        folder = settings().cache_dir
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
            for part in parts:
                codes = encode(part).astype(self._kind)
                self._file.write(codes.tobytes())
                self._length += len(codes)
        except OSError as error:
            where = folder or Path(tempfile.gettempdir())
            raise DataError(
                f"the codes of the text cannot be kept in {str(where)!r}: {error.strerror}; name a "
                "folder with more space by CHAINRULE_CACHE_DIR"
            ) from None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: Any) -> StoredCodes:
        if not isinstance(key, slice) or key.step not in {None, 1}:
            raise KindError("stored codes have slices and windows(), not single elements")
        start, stop, _ = key.indices(self._length)
        part = copy.copy(self)
        part._start, part._length = self._start + start, max(0, stop - start)  # noqa: SLF001
        return part

    def windows(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """`length` codes from each of `starts`, [windows, length]; all within the codes."""
        rows = np.empty((len(starts), length), self._kind)
        for row, start in zip(rows, starts.tolist(), strict=True):
            row[:] = self._read(start, length)
        return rows.astype(np.int64)

    def parts(self) -> Iterator[NDArray[Any]]:
        """All codes in order, in arrays of the smallest unsigned type."""
        for start in range(0, self._length, _PART):
            yield self._read(start, min(_PART, self._length - start))

    def _read(self, start: int, length: int) -> NDArray[Any]:
        if not 0 <= start <= self._length - length:
            raise IndexError(f"codes {start} … {start + length} of {self._length}")
        size, place = length * self._kind.itemsize, (self._start + start) * self._kind.itemsize
        if hasattr(os, "pread"):
            data = os.pread(self._file.fileno(), size, place)
        else:
            self._file.seek(place)
            data = self._file.read(size)
        return np.frombuffer(data, self._kind)
