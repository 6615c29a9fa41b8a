"""The program text in every Python: the standard library's modules, without their tests.

    >>> files = library_source()
    >>> next(file for file in files if file.path == "bisect.py").text.splitlines()[0]
    '\"\"\"Bisection algorithms.\"\"\"'
    >>> learnt, held_out = split_files(files)

Left out are tests, installed packages, and what is not written by hand for readers: tables of
character sets (`encodings`), of documentation (`pydoc_data`) and of this build. The rest differs
with Python's version, so figures measured on it name `python_version()`.

May import `base` and the standard library.
"""

from __future__ import annotations

import platform
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chainrule.base.errors import DataError
from chainrule.text.splits import split_by_hash

_TESTS = {"test", "tests", "idle_test"}
_PACKAGES = {"site-packages", "dist-packages"}
_TABLES = {"encodings", "pydoc_data"}
_OF_THIS_BUILD = ("_sysconfigdata_", "config-", "__phello__", "lib-dynload", "__pycache__")
_ENOUGH = 100  # files; a library with fewer has been cut down


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A module's file: its `path` within the library, with `/`, and its `text`."""

    path: str
    text: str


def library_source(folder: Path | None = None) -> list[SourceFile]:
    """The modules of the standard library (or of `folder`), sorted by path.

    Each is decoded as Python decodes it, by its coding line or as UTF-8; line ends are line feeds.
    Raises `DataError` where the library was installed as compiled files or an archive only.
    """
    library = folder or Path(sysconfig.get_path("stdlib"))
    paths = sorted(_written(library, library), key=lambda path: path.relative_to(library).parts)
    if len(paths) < _ENOUGH:
        raise DataError(
            f"this Python's library in {str(library)!r} was installed without its source, which "
            "is the default training data; give data of your own with --data FILE"
        )
    return [SourceFile(path.relative_to(library).as_posix(), _read(path)) for path in paths]


def split_files(files: Iterable[SourceFile]) -> tuple[list[SourceFile], list[SourceFile]]:
    """(files to learn from, held-out files): a tenth, chosen by a hash of each path."""
    return split_by_hash(files, lambda file: file.path)


def python_version() -> str:
    """Name and version of the interpreter whose library is read, as "Python 3.11.7"."""
    return f"Python {platform.python_version()}"


def _written(folder: Path, library: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith(_OF_THIS_BUILD):
            continue
        if path.is_dir():
            left_out = _TESTS | _PACKAGES | (_TABLES if folder == library else set())
            if path.name not in left_out and not path.is_symlink():
                yield from _written(path, library)
        elif path.suffix == ".py":
            yield path


def _read(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"the library's file {str(path)!r} cannot be read: {error}") from None
