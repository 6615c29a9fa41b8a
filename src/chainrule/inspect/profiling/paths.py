"""The program's lines on the stack, from an operation out to the nearest module call.

    Paths(base).lines(frame)      # [(code, instruction), …], the innermost first

Frames of the package, of Python's standard library and of NumPy are none of the program's; those of
another library are, unless the package called it. Imports base and NumPy.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import CodeType, FrameType

import numpy as np

from chainrule.base.frames import is_own
from chainrule.inspect.profiling.contexts import Line

_STANDARD, _SITE = (sysconfig.get_paths()[name] for name in ("stdlib", "purelib"))
_LIBRARIES = ("<frozen", str(Path(np.__file__).parent))
# Of frames: where a path ends; the package's; passed over; a library's; the program's own
_BOUNDARY, _PACKAGE, _PASSED, _LIBRARY, _USERS = range(5)


class Paths:
    """Looks at frames; `call` is the code around a module's call, where a path ends."""

    def __init__(self, base: FrameType | None, call: CodeType) -> None:
        """`base` is the outermost frame of the program; None is a script that is run."""
        self.base, self._call = base, call
        self._kinds: dict[int, int] = {}  # by the id of a code: to hash one takes long
        self._codes: list[CodeType] = []  # these codes, which keep their ids

    def lines(self, frame: FrameType | None) -> list[Line]:
        """The lines of the program from `frame` on, the innermost first."""
        found, kinds, base = [], self._kinds, self.base
        foreign = 0  # of those found last, which the package called if it comes next
        while frame is not None:
            code = frame.f_code
            kind = kinds.get(id(code))
            if kind is None:
                kind = kinds[id(code)] = self._kind(code)
                self._codes.append(code)
            if kind >= _LIBRARY:
                found.append((code, frame.f_lasti))
                foreign = 0 if kind == _USERS else foreign + 1
                if frame is base:
                    return found
            elif kind == _BOUNDARY:
                return found
            elif foreign and kind == _PACKAGE:
                del found[-foreign:]
                foreign = 0
            frame = frame.f_back
        return [] if base is None else found  # not below it: what started the program

    def _kind(self, code: CodeType) -> int:
        file, name = code.co_filename, code.co_name
        if code is self._call or (name == "_run_code" and "runpy" in file):
            return _BOUNDARY
        if file == "<string>" and (name == "<lambda>" or name.startswith("__")):
            return _PASSED  # what `namedtuple` and `dataclass` write
        if not is_own(file):
            return _PACKAGE
        if file.startswith(_LIBRARIES):
            return _PASSED
        if file.startswith(_SITE):
            return _LIBRARY
        return _PASSED if file.startswith(_STANDARD) else _USERS
