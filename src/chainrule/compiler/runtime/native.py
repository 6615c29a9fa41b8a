"""Textual LLVM IR → addresses of machine code in this process.

The text is compiled as it stands: no IR passes, LLVM's code generator only, for exactly the CPU
that `codegen/processor.py` names. Object code comes from and goes to the on-disk cache. llvmlite is
imported when the first engine is made. May import base, that file and `llvm.py`. Example:

    address = engine().load({"twice": ir_text})["twice"]
    twice = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)
"""

from __future__ import annotations

import functools
import itertools
import os
import platform
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chainrule.base.errors import CompileError
from chainrule.base.settings import settings
from chainrule.compiler.codegen.llvm import LOCK, binding
from chainrule.compiler.codegen.processor import processor
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.runtime.heap import trim_heap
from chainrule.compiler.runtime.object_cache import ObjectCache, cache_key
from chainrule.compiler.runtime.partner import Partner, Work

# Small code reaches constants within 2 GB (ARM: 4 GB) of itself. JITLink lays all sections of an
# object side by side; LLVM's older linker maps each one wherever there is room, and aborts the
# process when that is too far away. llvmlite has no JITLink on Windows: there constants are
# addressed absolutely, as large code does (on x86: LLVM makes no large code for Windows on ARM).
JIT_LINK = sys.platform != "win32"
CODE_MODEL = "small" if JIT_LINK else "large"

_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def architecture() -> str | None:
    """`x86_64` or `aarch64`: what this process runs on, None if it is neither."""
    return _ARCHITECTURES.get(platform.machine().lower()) if sys.maxsize > 2**32 else None


@functools.cache
def unavailable() -> str | None:
    """The reason why machine code cannot be made in this process, None if it can."""
    if architecture() is None:
        return f"machine code is made for 64-bit x86 and ARM, and this is {platform.machine()}"
    try:
        binding()
    except (ImportError, OSError) as error:
        return f"llvmlite cannot be loaded ({error})"
    return None


@functools.cache
def refusal() -> str | None:
    """The reason why kernels cannot be made for this machine, None if they can."""
    reason = unavailable()
    if reason is not None:
        return reason
    try:
        host_target()
    except CompileError as error:
        return str(error)
    return None


class Engine:
    """Compiles, loads and keeps machine code for the life of the process.

    `cache` holds object code between processes. `opt` is the code generator's level, 0 to 3.
    `compiled` and `reused` count the kernels that were compiled here and that came from the cache.
    Safe to use from several threads; calls, and forks, take turns.
    """

    def __init__(self, cache: ObjectCache, opt: int = 2) -> None:
        reason = unavailable()
        if reason is not None:
            raise CompileError(f"no native code: {reason}")
        llvm = self._llvm = binding()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        made_for = processor()
        self._cpu, self._features = made_for.cpu, made_for.text
        self._opt = opt
        self._cache = cache
        self._machine = self._target_machine()
        # The linker owns the machine that it is given, so it gets one of its own.
        self._linker = llvm.create_lljit_compiler(self._target_machine(), use_jit_link=JIT_LINK)
        self._environment = (
            f"llvmlite {sys.modules['llvmlite'].__version__}",
            f"LLVM {llvm.llvm_version_info}",
            self._machine.triple,
            self._cpu,
            self._features,
            f"opt {opt}, {CODE_MODEL} code model",
        )
        self._partner = self._new_partner()
        self._addresses: dict[tuple[str, str], int] = {}  # by symbol and cache key
        self._libraries: list[Any] = []  # machine code stays loaded as long as these live
        self._numbers = itertools.count()
        self.compiled = 0
        self.reused = 0
        _engines.add(self)

    def load(self, irs: Mapping[str, str]) -> dict[str, int]:
        """`load_all` of the mapping's items."""
        return self.load_all(irs.items())

    def load_all(self, irs: Iterable[tuple[str, str]]) -> dict[str, int]:
        """Address of each symbol, for pairs of a symbol and a module that defines this function.

        Symbols may share a text; other functions of a module may be those of the C library. What
        was loaded before is not loaded again. Much is compiled by two processes, while the texts
        still come in. Raises CompileError for a text that LLVM rejects and for functions that
        nobody defines.
        """
        keys: dict[str, str] = {}
        with LOCK:
            objects: dict[str, bytes | None] = {}  # by key; None: being compiled
            names: dict[str, str] = {}
            with Work(self._partner, lambda text: self._compile(names[text], text)) as work:
                for symbol, text in irs:
                    key = keys[symbol] = cache_key(text, *self._environment)
                    if (symbol, key) in self._addresses or key in objects:
                        continue
                    objects[key] = self._cache.get(key)
                    if objects[key] is None:
                        names[text] = symbol
                        work.put(key, text)
                made = work.finish()
            self.compiled += len(made)
            self.reused += len(objects) - len(made)
            for key, raw in made.items():
                self._cache.put(key, raw)
            missing = [item for item in keys.items() if item not in self._addresses]
            if missing:
                raws = [made[key] if raw is None else raw for key, raw in objects.items()]
                library = self._link(raws, [symbol for symbol, _ in missing])
                self._addresses.update({item: library[item[0]] for item in missing})
            return {item[0]: self._addresses[item] for item in keys.items()}

    def _new_partner(self) -> Partner:
        folder = os.path.dirname(os.path.dirname(self._llvm.__path__[0]))  # noqa: PTH120 - as text
        return Partner(folder, self._cpu, self._features, str(self._opt), CODE_MODEL)

    def assembly(self, ir: str) -> str:
        """The assembly text that `ir` compiles to here, for reading."""
        with LOCK:
            return str(self._machine.emit_assembly(self._parse("assembly", ir)))

    def _compile(self, symbol: str, text: str) -> bytes:
        return bytes(self._machine.emit_object(self._parse(symbol, text)))

    def _parse(self, symbol: str, text: str) -> Any:
        try:
            module = self._llvm.parse_assembly(text)
            if settings().check:
                module.verify()
        except RuntimeError as error:
            raise CompileError(f"LLVM rejects the text of {symbol}: {error}") from error
        module.triple = self._machine.triple
        module.data_layout = str(self._machine.target_data)
        return module

    def _link(self, objects: Iterable[bytes], symbols: Sequence[str]) -> Any:
        """One library of all objects: linking them one by one takes twice as long."""
        builder = self._llvm.JITLibraryBuilder().add_current_process()
        for raw in objects:
            builder.add_object_img(raw)
        for symbol in symbols:
            builder.export_symbol(symbol)
        try:  # a failed library keeps its name, so names are never used twice
            library = builder.link(self._linker, f"library{next(self._numbers)}")
        except RuntimeError as error:
            raise CompileError(f"cannot load {', '.join(symbols)}: {error}") from error
        self._libraries.append(library)
        return library

    def _target_machine(self) -> Any:
        target = self._llvm.Target.from_default_triple()
        return target.create_target_machine(
            cpu=self._cpu, features=self._features, opt=self._opt, reloc="pic", codemodel=CODE_MODEL
        )


_engine: Engine | None = None
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def engine() -> Engine:
    """The engine of this process, made at the first call with the cache that settings name."""
    global _engine  # noqa: PLW0603 - one per process: loaded code is never unloaded
    if _engine is None:
        with LOCK:
            if _engine is None:
                trim_heap()  # what initial values and a first trace left: LLVM needs room itself
                _engine = Engine(ObjectCache(settings().cache_dir))
    return _engine


def _new_partners() -> None:
    """In a forked child: the partners answer the parent."""
    for each in list(_engines):
        each._partner = each._new_partner()  # noqa: SLF001 - this module's own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_partners)
