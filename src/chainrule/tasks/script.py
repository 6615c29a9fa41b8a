"""Run a program written for PyTorch, unmodified: its `torch` is this package.

Example: `run_script("train.py", ["--epochs", "3"])`.
While it runs, `torch` and its submodules resolve to the modules of the same names here; an
installed PyTorch is set aside, and restored afterwards. May import everything below.
"""

from __future__ import annotations

import contextlib
import importlib.util
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, TracebackType

from chainrule.base.errors import ConfigError
from chainrule.base.frames import entries, is_own
from chainrule.base.missing import deferred
from chainrule.tasks.torch_alias import SAFETENSORS, TorchFinder


def check_script(script: str, *, module: bool = False) -> None:
    """Raise `ConfigError` unless the file, or the module, exists."""
    if not module:
        if not Path(script).is_file():
            raise ConfigError(f"there is no script {script}")
        return
    with _process([script], str(Path.cwd())):
        try:
            found = importlib.util.find_spec(script)
        except (ImportError, ValueError):
            found = None
    if found is None:
        raise ConfigError(f"there is no module {script}")


def run_script(script: str, arguments: Sequence[str], *, module: bool = False) -> None:
    """Run a file, or a module by its dotted name, as the main program.

    Its exceptions pass through unchanged, `SystemExit` included; see `own_traceback`.
    """
    # a module is found from the working directory, a script finds its neighbours, as in Python
    start = str(Path.cwd()) if module else str(Path(script).resolve().parent)
    with as_torch(), _process([script, *arguments], start):
        if module:
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")


@contextlib.contextmanager
def as_torch() -> Iterator[None]:
    """Inside the block, `import torch` imports this package."""
    before = _take_torch()
    finder = TorchFinder()
    sys.meta_path.insert(0, finder)
    try:
        with deferred():
            yield
    finally:
        sys.meta_path.remove(finder)
        _take_torch()
        sys.modules.update(before)


def own_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of `error` from the script's frames on."""
    for entry in entries(error.__traceback__):
        if is_own(entry.tb_frame.f_code.co_filename):
            return entry
    return error.__traceback__


def _take_torch() -> dict[str, ModuleType]:
    """Remove `torch`, its submodules and `safetensors.torch` from the loaded modules."""
    names = [n for n in sys.modules if n.partition(".")[0] == "torch" or n == SAFETENSORS]
    return {name: sys.modules.pop(name) for name in names}


@contextlib.contextmanager
def _process(argv: list[str], start: str) -> Iterator[None]:
    """Inside the block, `sys.argv` and `sys.path` are those of the script."""
    old_argv, old_path = sys.argv, sys.path[:]
    sys.argv = argv
    sys.path.insert(0, start)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = old_argv, old_path
