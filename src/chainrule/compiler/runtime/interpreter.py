"""The native plan interpreter as Python functions.

Its text is `interpreter.ll` with the processor's own few functions in front; `layout` gives the
numbers. Compiled once per machine, then loaded from the object cache. May import base and this
folder's `layout` and `native`. Example:

    status = interpreter().run(board_address, program_address, sections, 0)
"""

from __future__ import annotations

import ctypes
import functools
import string
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from chainrule.compiler.runtime.encoding import names
from chainrule.compiler.runtime.native import architecture, engine

_CALIBRATION = 0.002  # seconds between two readings of both clocks


class Interpreter(NamedTuple):
    """The native functions; addresses are integers. The first three give up Python's lock.

    run(board, program, sections, resume) -> Status: one program, from the start or from its pause.
    serve(board, thread): a worker's life, until it is dismissed.
    dismiss(board, threads): let the workers with numbers below `threads` return.
    ticks() -> int: the processor's clock.
    denormals(flush): whether the calling thread takes denormal numbers for zero from now on.
    """

    run: Callable[[int, int, int, int], int]
    serve: Callable[[int, int], None]
    dismiss: Callable[[int, int], None]
    ticks: Callable[[], int]
    denormals: Callable[[int], None]


def interpreter_ir(processor: str, platform: str) -> str:
    """The whole module as textual IR, for a processor that `architecture` names."""
    folder = files(__package__)
    text = "\n".join(
        (folder / name).read_text(encoding="utf-8")
        for name in (f"interpreter_{processor}.ll", "interpreter.ll")
    )
    give_way = "SwitchToThread" if platform == "win32" else "sched_yield"
    return string.Template(text).substitute(names(), YIELD=give_way)


@functools.cache
def interpreter() -> Interpreter:
    """The interpreter of this process, compiled or loaded at the first call."""
    text = interpreter_ir(architecture() or "", sys.platform)
    word = ctypes.c_int64
    kinds = {
        "chainrule_run": ctypes.CFUNCTYPE(word, word, word, word, word),
        "chainrule_serve": ctypes.CFUNCTYPE(None, word, word),
        "chainrule_dismiss": ctypes.CFUNCTYPE(None, word, word),
        "chainrule_ticks": ctypes.CFUNCTYPE(word),
        "chainrule_denormals": ctypes.CFUNCTYPE(None, word),
    }
    addresses = engine().load(dict.fromkeys(kinds, text))
    return Interpreter(*(kind(addresses[name]) for name, kind in kinds.items()))


@functools.cache
def ticks_per_second() -> float:
    """The frequency of `Interpreter.ticks`, measured once against the system's clock."""
    ticks = interpreter().ticks
    start, start_ticks = time.perf_counter(), ticks()
    time.sleep(_CALIBRATION)
    end, end_ticks = time.perf_counter(), ticks()
    return (end_ticks - start_ticks) / (end - start)
