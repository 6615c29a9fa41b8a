"""`torch` and its submodules, found in this package: a finder for `sys.meta_path`.

`torch.nn.functional` is this package's module of the same name, so that a class is one class under
both names; only `torch` itself is a front with PyTorch's version. A submodule that does not exist
here can be imported, and raises when it is used.
May import base only.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import FrameType, ModuleType
from typing import Any

from chainrule.base.errors import MissingError, MissingImportError
from chainrule.base.missing import Missing, importing, in_try, script_frame, sentence

_PACKAGE = __name__.partition(".")[0]
PYTORCH = "2.13.0"  # the version whose names and defaults are followed
SAFETENSORS = "safetensors.torch"  # the library's own module reads PyTorch's storages
_SAFETENSORS_HERE = f"{_PACKAGE}.formats.safetensors_torch"


class TorchFinder(MetaPathFinder):
    """The finder of `torch`, its submodules and `safetensors.torch`, whatever is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module here, or of an `_Absent` one."""
        del path, target
        if fullname == SAFETENSORS:
            return ModuleSpec(fullname, _AliasLoader(importlib.import_module(_SAFETENSORS_HERE)))
        if fullname.partition(".")[0] != "torch":
            return None
        return ModuleSpec(fullname, _AliasLoader(_found(fullname)), is_package=True)


class _AliasLoader(Loader):
    """A loader that returns an existing module."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has replaced it by the alias's


class _Front(ModuleType):
    """`torch`: every name of the package, and PyTorch's version."""

    def __init__(self, home: ModuleType) -> None:
        super().__init__("torch", home.__doc__)
        self.__version__ = f"{PYTORCH}+{_PACKAGE}{home.__version__}"
        self.__path__: list[str] = []
        self.__dict__["_home"] = home

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # `from torch import *`
            return _exported(self._home)
        found = getattr(self._home, name)
        if not isinstance(found, Missing):
            self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if not name.startswith("__") and not isinstance(value, ModuleType):
            setattr(self._home, name, value)

    def __dir__(self) -> list[str]:
        return dir(self._home)


def _exported(home: ModuleType) -> list[str]:
    """The public names of the package that are not modules, as in PyTorch."""
    held = vars(home)
    return [
        name
        for name in dir(home)
        if not name.startswith("_")
        and not isinstance(held.get(name), ModuleType)
        and (name in held or find_spec(f"{_PACKAGE}.{name}") is None)  # lazy names, not modules
    ]


class _Absent(ModuleType):
    """A submodule that does not exist here."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        shown = f"{self.__name__}.{name}"
        frame = sys._getframe(1)  # noqa: SLF001 - an import is deferred, a use is not
        if not importing(frame):
            raise MissingError(sentence(shown), name=name)
        if in_try(frame):
            raise MissingImportError(sentence(shown))
        return Missing(shown)


def _found(fullname: str) -> ModuleType:
    """The module of this name here, or `_Absent`; raises inside a script's `try:`."""
    name = _PACKAGE + fullname.removeprefix("torch")
    if fullname == "torch":
        return _Front(importlib.import_module(name))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module here needs another package
    frame = script_frame()
    if frame is None or in_try(frame) or _only_tried():
        raise ModuleNotFoundError(sentence(fullname), name=fullname)
    return _Absent(fullname)


def _only_tried() -> bool:
    """Whether the import system is trying a name of `from torch import name` as a submodule."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame is not script_frame():
        if frame.f_code.co_name == "_handle_fromlist":
            return True
        frame = frame.f_back
    return False
