"""The user's source line: the innermost frame outside the framework. Imports base only."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import NamedTuple

from chainrule.base.frames import PACKAGE


class Source(NamedTuple):
    """A line of the user's program, and the layer that ran it, where someone wants to know."""

    file: str
    line: int
    layer: str = ""

    def __str__(self) -> str:
        """`path/to/file.py:12`, from the working directory where it lies below it; `In[3]:12`."""
        here = os.getcwd() + os.sep  # noqa: PTH109 - pathlib is not imported at the start
        return f"{_cell(self.file) or self.file.removeprefix(here)}:{self.line}"


def caller() -> Source | None:
    """The nearest calling line outside the package, None if there is none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk the stack cheaply
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return Source(name, frame.f_lineno)
        frame = frame.f_back
    return None


def _cell(file: str) -> str:
    """The number of a notebook's cell, as Jupyter shows it, of the file that it is compiled as."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    named = shell.compile.format_code_name(file) if shell is not None else None
    return str(named[1]) if named is not None else ""


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the user's line, however deep in the package it arises."""
    import warnings

    depth, frame = 2, sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=depth)
