"""Impure calls: their result or effect differs from call to call, so no plan repeats them.

    random.random(), np.random.rand(), time.time(), print(), input(), open(), os.environ[…]

Example: `impure(time.time)` → "time.time()".
"""

from __future__ import annotations

from types import CodeType
from typing import Any

_BUILTINS = {"print", "input", "open"}
_CLOCKS = {"now", "utcnow", "today"}
_HARMLESS = {"sleep", "struct_time", "strftime", "gmtime", "mktime", "seed", "Random"}
_SYSTEM = {"open", "stat", "listdir", "scandir", "getcwd", "urandom", "system", "remove", "mkdir"}
_LIBRARY = {"random", "uuid", "secrets", "tempfile", "logging"}


def impure(called: Any) -> str | None:
    """The name of an impure function, built in or of the standard library; else None."""
    if isinstance(called, CodeType):
        return _of_library(called)
    name = getattr(called, "__name__", "")
    owner = getattr(called, "__self__", None)
    cls = owner if isinstance(owner, type) else type(owner)
    module, of = getattr(called, "__module__", None) or "", cls.__module__
    if module in {"builtins", "_io", "io"}:
        return f"{name}()" if name in _BUILTINS else None
    if of.startswith("numpy.random") and name not in _HARMLESS:
        return f"np.random.{name}()"
    if of in {"random", "_random"} and name not in _HARMLESS:
        return f"random.{name}()"
    if of == "datetime" and name in _CLOCKS:
        return f"{cls.__name__}.{name}()"
    if of == "_io" and name.startswith(("read", "write")):
        return f"{name}() of a file"
    if module == "time" and name not in _HARMLESS:
        return f"time.{name}()"
    return f"os.{name}()" if module in {"posix", "nt"} and name in _SYSTEM else None


def library(code: CodeType) -> str:
    """The module of the standard library that the code belongs to."""
    file = code.co_filename.replace("\\", "/").removeprefix("<frozen ").removesuffix(">")
    parts = file.removesuffix(".py").split("/")
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]


def _of_library(code: CodeType) -> str | None:
    name, of = code.co_name, library(code)
    if of == "os":
        return "os.environ" if code.co_qualname == "_Environ.__getitem__" else None
    public = of in _LIBRARY and name not in _HARMLESS and not name.startswith("_")
    return f"{of}.{name}()" if public else None
