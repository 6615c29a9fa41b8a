"""Reading text files for training, naming places in them, and holding out the end.

    >>> held_out_length(40_000)
    4000

May import `base` and NumPy.
"""

from __future__ import annotations

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from chainrule.base.errors import DataError
from chainrule.base.reading import EndlessError, open_to_end

HELD_OUT = 0.1
MOST_HELD_OUT = 1_000_000  # characters: enough to tell models apart, and soon judged

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def several(paths: Paths) -> list[Path]:
    """The paths, of which one may be given by itself."""
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(p) for p in paths]


def text_files(paths: Paths) -> list[Path]:
    """The files of `paths`, in which a folder stands for all files below it, sorted.

    Files and folders whose names begin with a dot are left out of a folder. Raises `DataError` for
    a folder without files.
    """
    files: list[Path] = []
    for path in several(paths):
        if not path.is_dir():
            files.append(path)
            continue
        inside = [file for file in sorted(path.rglob("*")) if file.is_file()]
        shown = [f for f in inside if not any(p.startswith(".") for p in f.relative_to(path).parts)]
        if not shown:
            raise DataError(f"the folder {str(path)!r} holds no files")
        files += shown
    return files


def read_text(path: str | os.PathLike[str]) -> str:
    """The characters of a UTF-8 file, with line feeds as line ends, without a byte-order mark.

    `-` is standard input. Raises `DataError` with one sentence when the file is missing, a folder,
    unreadable, empty, binary or not UTF-8.
    """
    with _refusals(path), _opened(path) as file:
        data = file.read()
    text = _decoded(data, str(path), lines=0, before=0)
    if not text.strip():
        raise DataError(f"{str(path)!r} is empty")
    return text


def text_parts(paths: Paths, size: int = 2**18) -> Iterator[str]:
    """The text of `text_files(paths)` in parts of about `size` bytes, which end with a line.

    A line longer than four parts is cut. Only a part is in memory. Files are joined with a line
    feed between them unless there is one. Raises what `read_text` does, at the place it comes to.
    """
    end = "\n"
    for path in text_files(paths):
        blank, lines, before, rest = True, 0, 0, b""
        if end != "\n":
            yield "\n"
        with _refusals(path), _opened(path) as file:
            while data := file.read(size):
                whole, rest = _cut(rest + data, 4 * size)
                if text := _decoded(whole, str(path), lines, before):
                    blank, end = blank and not text.strip(), text[-1]
                    yield text
                lines, before = lines + whole.count(b"\n"), before + len(whole)
        if text := _decoded(rest, str(path), lines, before):
            blank, end = blank and not text.strip(), text[-1]
            yield text
        if blank:
            raise DataError(f"{str(path)!r} is empty")


def _cut(data: bytes, most: int) -> tuple[bytes, bytes]:
    """(lines of `data` that are complete, the rest); more than `most` bytes of a line are cut."""
    cut = data.rfind(b"\n") + 1
    if cut or len(data) <= most:
        return data[:cut], data[cut:]
    start = len(data) - 1
    while start and data[start] & 0xC0 == 0x80:  # a byte within a character
        start -= 1
    return data[:start], data[start:]


def _opened(path: str | os.PathLike[str]) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if str(path) == "-" else open_to_end(Path(path))


@contextmanager
def _refusals(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says of a file, in one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise DataError(f"{str(path)!r} is a folder; name one text file") from None
    except EndlessError:
        raise DataError(f"{str(path)!r} is an endless device; name a file or a pipe") from None
    except DataError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        folder = Path(path).is_dir()
        what = "is a folder; name one text file" if folder else f"cannot be read: {reason}"
        raise DataError(f"{str(path)!r} {what}") from None


def _decoded(data: bytes, name: str, lines: int, before: int) -> str:
    """The characters of bytes that come after so many lines and bytes of a file."""
    if b"\0" in data:
        raise DataError(f"{name!r} is not a text file: it contains NUL bytes")
    mark = 0 if before or not data.startswith(BOM_UTF8) else len(BOM_UTF8)
    try:
        text = data[mark:].decode()
    except UnicodeDecodeError as error:
        at = mark + error.start
        read = data[mark:at]
        line = lines + read.count(b"\n") + 1
        column = len(read[read.rfind(b"\n") + 1 :].decode()) + 1
        raise DataError(
            f"{name!r} is not UTF-8 text: byte {before + at} (line {line}, column {column}) is "
            f"0x{data[at]:02x}; convert it to UTF-8 first"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fault(name: str, line: int, column: int, reason: str) -> DataError:
    """The error for a place in a file, `name:line:column: reason`; both count from 1."""
    return DataError(f"{name}:{line}:{column}: {reason}")


def held_out_length(characters: int) -> int:
    """The characters at the end of a text that are held out: a tenth, at most `MOST_HELD_OUT`."""
    return min(round(characters * HELD_OUT), MOST_HELD_OUT)


def require_lengths(train: Sized, held_out: Sized, context: int, named: str = "characters") -> None:
    """Raise `DataError` unless each part holds a window of `context` codes and its target.

    `named` says what the codes stand for.
    """
    for codes, what in ((train, "text to learn from"), (held_out, "held-out text")):
        if len(codes) <= context:
            raise DataError(
                f"the {what} is too short: {len(codes)} {named}, but a context of {context} "
                f"needs at least {context + 1}; give more text or --set context=<smaller>"
            )


def require_length(
    train: Sized, held_out: Sized, context: int, what: str, named: str = "characters"
) -> None:
    """Raise `DataError` unless both parts of one text hold a window and its target."""
    if min(len(train), len(held_out)) > context:
        return
    raise DataError(
        f"{what} is too short: {len(train) + len(held_out)} {named}, but a context of "
        f"{context} with a tenth held out needs at least {10 * (context + 1)}; give more text or "
        "--set context=<smaller>"
    )
