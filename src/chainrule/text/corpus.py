"""Reading text files for training, naming places in them, and holding out the last tenth.

    >>> train, held_out = split(np.arange(100))
    >>> len(train), held_out[0]
    (90, np.int64(90))

May import `base` and NumPy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError
from chainrule.base.reading import EndlessError, read_to_end

HELD_OUT = 0.1

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def several(paths: Paths) -> list[Path]:
    """The paths, of which one may be given by itself."""
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(p) for p in paths]


def read_text(path: str | os.PathLike[str]) -> str:
    """The characters of a UTF-8 file, with line feeds as line ends, without a byte-order mark.

    `-` is standard input. Raises `DataError` with one sentence when the file is missing, a folder,
    unreadable, empty, binary or not UTF-8.
    """
    name = Path(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else read_to_end(name)
    except FileNotFoundError:
        raise DataError(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise DataError(f"{str(path)!r} is a folder; name one text file") from None
    except EndlessError:
        raise DataError(f"{str(path)!r} is an endless device; name a file or a pipe") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = "is a folder; name one text file" if name.is_dir() else f"cannot be read: {reason}"
        raise DataError(f"{str(path)!r} {what}") from None
    if b"\0" in data:
        raise DataError(f"{str(path)!r} is not a text file: it contains NUL bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
        raise DataError(
            f"{str(path)!r} is not UTF-8 text: byte {error.start} (line {line}, column {column}) "
            f"is 0x{data[error.start]:02x}; convert it to UTF-8 first"
        ) from None
    if not text.strip():
        raise DataError(f"{str(path)!r} is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fault(name: str, line: int, column: int, reason: str) -> DataError:
    """The error for a place in a file, `name:line:column: reason`; both count from 1."""
    return DataError(f"{name}:{line}:{column}: {reason}")


def split(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training part, held-out part): the last tenth, contiguous, is never trained on."""
    cut = len(codes) - round(len(codes) * HELD_OUT)
    return codes[:cut], codes[cut:]


def require_lengths(train: NDArray[np.int64], held_out: NDArray[np.int64], context: int) -> None:
    """Raise `DataError` unless each text holds a window of `context` characters and its target."""
    for codes, what in ((train, "text to learn from"), (held_out, "held-out text")):
        if len(codes) <= context:
            raise DataError(
                f"the {what} is too short: {len(codes)} characters, but a context of {context} "
                f"needs at least {context + 1}; give more text or --set context=<smaller>"
            )


def require_length(codes: NDArray[np.int64], context: int, what: str) -> None:
    """Raise `DataError` unless both parts hold a window of `context` characters and its target."""
    train, held_out = split(codes)
    if min(len(train), len(held_out)) > context:
        return
    raise DataError(
        f"{what} is too short: {len(codes)} characters, but a context of {context} with a tenth "
        f"held out needs at least {10 * (context + 1)}; give more text or --set context=<smaller>"
    )
