"""The user's source line: the innermost frame outside the framework. Imports base only.

Each eager operation notes its location, and few are ever read: `location()` keeps only the frame's
code and instruction; `source_at` finds the line when it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import NamedTuple

from chainrule.base.frames import PACKAGE
from chainrule.base.notebook import cell_name

_COMMANDS = PACKAGE + "cli" + os.sep
# By file name: whether it is in the package, or what makes the location in a file outside of it
_inside: dict[str, bool | Noter] = {}
_noters: list[Noter] = []


class Source(NamedTuple):
    """A line of the user's program, and the layer that ran it if that is tracked."""

    file: str
    line: int
    layer: str = ""

    @property
    def of(self) -> Source:
        """The line itself, or of a gradient's node the line that it pulls back."""
        return self

    @property
    def text(self) -> str:
        """The text of the line, empty if the file cannot be read."""
        import linecache

        return linecache.getline(self.file, self.line).strip()

    @property
    def quoted(self) -> str:
        """The line and its text: `train.py:12  loss = f(x)`."""
        return f"{self}  {self.text}".rstrip()

    def __str__(self) -> str:
        """`path/to/file.py:12` from the working directory, or `In[3]:12` in a notebook."""
        here = os.getcwd() + os.sep  # noqa: PTH109 - pathlib is not imported at the start
        return f"{cell_name(self.file) or self.file.removeprefix(here)}:{self.line}"


class Pulled(Source):
    """The line of a node of a gradient: it equals the line of the node that is pulled back."""

    _of: Source

    @property
    def of(self) -> Source:
        """The line that is pulled back."""
        return self._of


def pulled(source: Source) -> Source:
    """The line of the gradient of a node with this line."""
    made = Pulled(*source)
    made._of = source.of  # noqa: SLF001 - this module's own class
    return made


class Numbered(Source):
    """The line of an operation of a batch, and its number there.

    Another batch of the same structure has other lines: it knows them by the number.
    """

    number: int


def numbered(source: Source | None, number: int) -> Numbered | None:
    """The line with a number; None without a line."""
    if source is None:
        return None
    made = Numbered(*source)
    made.number = number
    return made


class Placed(tuple[CodeType, int]):  # noqa: SLOT001 - a tuple has room for no slot
    """A code and instruction, as `location()` notes them, and the layer that ran there."""

    layer: str

    @classmethod
    def of(cls, code: CodeType, at: int, layer: str) -> Placed:
        """It equals the location without a layer."""
        made = cls((code, at))
        made.layer = layer
        return made


Location = tuple[CodeType, int] | Source | None  # noted by `location()`, or known
Noter = Callable[[CodeType, FrameType], Location]


def location(skip: int = 1) -> Location:
    """The code and instruction of the nearest calling frame outside the package, None without one.

    The first `skip` frames are known to be inside. Under the command line there is no program.
    """
    try:
        frame: FrameType | None = sys._getframe(skip)  # noqa: SLF001 - the documented way to walk the stack cheaply
    except ValueError:  # fewer frames than that: no Python code called
        return None
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        inside = _inside.get(name)
        if inside is None:
            inside = _note(name)
        if inside is not True:
            return inside(code, frame) if inside else (code, frame.f_lasti)
        frame = frame.f_back
    return None


def _note(name: str) -> bool | Noter:
    """Whether a file belongs to the package, or what makes its locations; kept in `_inside`."""
    outside = _noters[-1] if _noters else False
    inside = _nowhere if name.startswith(_COMMANDS) else name.startswith(PACKAGE) or outside
    _inside[name] = inside
    return inside


def _nowhere(_code: CodeType, _frame: FrameType) -> Location:
    """The command line is no program: it has no location."""
    return None


@contextmanager
def noted_by(noter: Noter) -> Iterator[None]:
    """In the block, `noter(code, frame)` makes the locations of this process's operations.

    Blocks may end in any order; the one that began last counts.
    """
    _noters.append(noter)
    _inside.clear()
    try:
        yield
    finally:
        _noters.remove(noter)
        _inside.clear()


def source_at(location: Location) -> Source | None:
    """The line of a noted location."""
    if location is None or isinstance(location, Source):
        return location
    code, at = location
    layer = location.layer if type(location) is Placed else ""
    for start, end, line in code.co_lines():
        if start <= at < end and line is not None:
            return Source(code.co_filename, line, layer)
    return Source(code.co_filename, code.co_firstlineno, layer)


def short(source: Source | None) -> str:
    """The line without the file's folders, `train.py:12`; empty for None."""
    return "" if source is None else str(source).replace("\\", "/").rpartition("/")[2]


def at(source: Source | None) -> str:
    """The line behind what happened there, ` at train.py:12`; empty for None."""
    return "" if source is None else f" at {source}"


def caller() -> Source | None:
    """The nearest calling line outside the package, None under the command line."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        name = frame.f_code.co_filename
        inside = _inside.get(name)
        if inside is None:
            inside = _note(name)
        if inside is not True:
            return None if inside is _nowhere else Source(name, frame.f_lineno)
        frame = frame.f_back
    return None


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line, however deep in the package the warning arises."""
    import warnings

    depth, frame = 2, sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=depth)
