"""Whose code runs: the program's, that of layers and optimizers, the library's, or our own.

Example: `whose(frame.f_code) is PROGRAM`.
"""

from __future__ import annotations

import functools
import os
import sysconfig
from types import CodeType

import numpy as np

from chainrule.base.frames import PACKAGE

PROGRAM, LAYERS, LIBRARY, OURS = "program", "layers", "library", "ours"

_FILES = os.path.dirname(np.__file__) + os.sep  # noqa: PTH120 - as in base/frames.py
_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen"})
_PACKAGES = ("site-packages", "dist-packages")  # they stand below the library
_LAYERS = (PACKAGE + "nn", PACKAGE + "optim")


@functools.lru_cache(maxsize=65536)
def whose(code: CodeType) -> str:
    """One of the four words; packages that were installed are part of the program."""
    file = code.co_filename
    if file.startswith(PACKAGE):
        return LAYERS if file.startswith(_LAYERS) else OURS
    if file.startswith(_FILES) or code.co_names == ("_tuple_new",):  # a named tuple's maker
        return OURS
    if file.startswith(_LIBRARY) and not any(word in file for word in _PACKAGES):
        return LIBRARY
    return PROGRAM
