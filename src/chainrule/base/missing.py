"""Errors for PyTorch's names that do not exist here: the name, the line, and where to look.

A module with PyTorch's names ends with `__getattr__ = missing_from(__name__)`. In a script run as
PyTorch (`deferred()`), importing a missing name gives a `Missing`, which raises on use; an import
inside `try:` fails at once, so that the script's own fallback runs. May import base only.
"""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from chainrule.base.errors import HELP, MissingError, MissingImportError
from chainrule.base.frames import is_own

_PACKAGE = __name__.partition(".")[0]
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


class _Imports:
    """How an import of a missing name ends: at once, or at the name's first use."""

    deferred = False


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Inside the block, a missing name can be imported, and raises on use."""
    before, _Imports.deferred = _Imports.deferred, True
    try:
        yield
    finally:
        _Imports.deferred = before


def missing_from(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module with PyTorch's names."""

    def __getattr__(name: str) -> Any:  # noqa: N807 - it is assigned to that name
        return missing_name(module, name)

    return __getattr__


def missing_name(module: str, name: str) -> Missing:
    """Raise for `module.name`, or return a `Missing` where imports are deferred."""
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    frame = sys._getframe(1)  # noqa: SLF001 - the caller decides what happens
    while frame.f_back is not None and frame.f_code.co_name == "__getattr__":
        frame = frame.f_back
    shown = shown_name(f"{module}.{name}")
    hint = near(name, dir(sys.modules[module])) if module in sys.modules else ""
    if not importing(frame):
        raise MissingError(sentence(shown, hint), name=name)  # named, Python adds no guess
    if _Imports.deferred and not in_try(frame):
        return Missing(shown, hint)
    raise MissingImportError(sentence(shown, hint))


def missing_method(owner: str, name: str, known: list[str]) -> AttributeError:
    """The error for `owner.name`, an attribute of an object; a private name gives Python's own."""
    if name.startswith("_"):
        return AttributeError(f"{owner!r} object has no attribute {name!r}")
    return MissingError(sentence(f"{owner}.{name}", near(name, known)), name=name)


def shown_name(name: str) -> str:
    """`name` as the program writes it: `torch.…` in a script run as PyTorch."""
    return f"torch{name.removeprefix(_PACKAGE)}" if _Imports.deferred else name


def sentence(shown: str, hint: str = "") -> str:
    """The sentence about a missing name: what, where, and the page that lists names."""
    return f"{shown} does not exist here{_location()}{hint}; {HELP} differences lists what does"


class Missing:
    """A placeholder for an imported name that does not exist: every use raises `MissingError`."""

    def __init__(self, shown: str, hint: str = "") -> None:
        """`shown` is the name as PyTorch has it."""
        self.__dict__.update(_shown=shown, _hint=hint)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise MissingError(sentence(self._shown, self._hint))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingError(sentence(f"{self._shown}.{name}", self._hint), name=name)

    __call__ = __mro_entries__ = __getitem__ = __setattr__ = __iter__ = _refuse
    __enter__ = __exit__ = _refuse

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __or__(self, other: Any) -> Any:
        return other  # an annotation such as `Missing | None`

    __ror__ = __or__


def importing(frame: FrameType) -> bool:
    """Whether `frame` is executing a `from module import name`."""
    return frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM


def in_try(frame: FrameType) -> bool:
    """Whether `frame` is inside a `try:`, which could handle an exception."""
    entries = dis.Bytecode(frame.f_code).exception_entries  # type: ignore[attr-defined]
    return any(start <= frame.f_lasti < end for start, end, *_ in entries)


def script_frame() -> FrameType | None:
    """The nearest calling frame outside the package and the import system."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        if is_own(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def near(name: str, known: list[str]) -> str:
    """`; did you mean …?` if there is a public name like it."""
    import difflib  # only an error needs it

    public = [each for each in known if not each.startswith("_")]
    folded = {each.lower(): each for each in public}
    if name.lower() in folded:
        return f"; did you mean {folded[name.lower()]}?"
    found = difflib.get_close_matches(name, public, 1, 0.75)
    return f"; did you mean {found[0]}?" if found else ""


def _location() -> str:
    frame = script_frame()
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"
