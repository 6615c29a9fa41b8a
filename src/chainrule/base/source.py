"""The user's source line: the innermost frame outside the framework. Imports nothing."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import NamedTuple

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - at import, on the hot path


class Source(NamedTuple):
    """A line of the user's program, and the layer that ran it, where someone wants to know."""

    file: str
    line: int
    layer: str = ""

    def __str__(self) -> str:
        """`path/to/file.py:12`."""
        return f"{self.file}:{self.line}"


def caller() -> Source | None:
    """The nearest calling line outside the package, None if there is none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk the stack cheaply
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE):
            return Source(name, frame.f_lineno)
        frame = frame.f_back
    return None
