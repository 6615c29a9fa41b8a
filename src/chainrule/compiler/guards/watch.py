"""Watching the frames of a trace: what each reads from outside, and calls that no plan repeats.

While `watching(watch)` is open, each frame that is entered is looked at: `bytecode.py` says which
paths its code reads, `reads.py` follows them to the places where values stand. Frames of layers
and optimizers count as the program's do; those of the rest of the package do not.
Example: `with watching(Watch()): fn(*args)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.source import Source
from chainrule.compiler.guards.bytecode import accesses
from chainrule.compiler.guards.impure import impure, library
from chainrule.compiler.guards.owners import LAYERS, LIBRARY, OURS, PROGRAM, whose
from chainrule.compiler.guards.reads import Reading, Reads
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes


class Effect(NamedTuple):
    """Something that happens while a function is traced, and not when its plan runs."""

    what: str
    source: Source | None


class Watch:
    """`reads` are the places that were read, `effects` the calls that no plan repeats."""

    def __init__(self) -> None:
        self.reads = Reads()
        self.effects: dict[Effect, None] = {}
        self._seen: set[Any] = set()

    def start(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """The roots of Python state: the function, and its arguments other than arrays."""
        self.reads.follow(fn, getattr(fn, "__name__", type(fn).__name__))
        waiting = [*args, *kwargs.values()]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
            elif isinstance(value, (list, tuple)):
                waiting += value
            elif not isinstance(value, (Handle, np.ndarray)):
                self.reads.follow(value, type(value).__name__)

    def event(self, frame: FrameType, event: str, called: Any) -> None:
        """The callback of `sys.setprofile`."""
        if modes.trace is None:  # a signal handler, or state that is made for real
            return
        if event == "call":
            code = frame.f_code
            owner = whose(code)
            if owner is PROGRAM or owner is LAYERS:
                self._enter(frame, code, late=owner is LAYERS)
            elif owner is LIBRARY:
                self._note_call(frame, code)
        elif event == "c_call":
            self._note_call(frame, called)
        elif event == "return" and called is not None and whose(frame.f_code) is LAYERS:
            self._leave(frame, called)

    def _note_call(self, frame: FrameType, called: Any) -> None:
        """A call whose result, or effect, is another one each time, and the program's line."""
        what = impure(called)
        if what is None:
            return
        above: FrameType | None = frame
        if isinstance(called, CodeType):
            above = frame.f_back
            if library(called) != "os" and (above is None or whose(above.f_code) is not PROGRAM):
                return  # what the library calls itself does not matter
        while above is not None and whose(above.f_code) is LIBRARY:
            if library(above.f_code).startswith("importlib"):
                return
            above = above.f_back
        if above is not None and whose(above.f_code) is PROGRAM:
            self.effects[Effect(what, Source(above.f_code.co_filename, above.f_lineno))] = None

    def _leave(self, frame: FrameType, result: Any) -> None:
        """Results of `model.modules()` and the like: the program reads attributes of them."""
        above = frame.f_back
        if modes.trace is None or above is None or whose(above.f_code) is not PROGRAM:
            return
        code, found = above.f_code, accesses(above.f_code)
        for each in result if isinstance(result, tuple) else (result,):
            if self.reads.is_outside(each) and (code, id(each)) not in self._seen:
                self._seen.add((code, id(each)))
                reading = Reading(code.co_filename, found.names, found.asked, found.any_name)
                source = Source(code.co_filename, above.f_lineno)
                self.reads.hand_over(each, type(each).__name__, source, reading)

    def _enter(self, frame: FrameType, code: CodeType, *, late: bool) -> None:
        found, values = accesses(code), frame.f_locals
        if code.co_name == "__init__" and code.co_argcount:
            self.reads.make(values.get(code.co_varnames[0]))
        roots = {}
        for path in found.paths:
            value = None if path.is_global else values.get(path.root)
            if value is not None and self.reads.is_outside(value):
                roots[path.root] = value
        key = (code, id(frame.f_globals), *map(id, roots.values()))
        if key in self._seen:
            return
        self._seen.add(key)
        names, asked, any_name = found.names, found.asked, found.any_name
        above = frame.f_back
        if above is not None and whose(above.f_code) is PROGRAM:
            names |= accesses(above.f_code).names  # what this one returns is read there
        for value in roots.values():
            self.reads.follow_hooks(value)
        reading = Reading(code.co_filename, names, asked, any_name, _outer(above) if late else None)
        for path in found.paths:
            if path.is_global and not late:
                self.reads.walk(path, frame.f_globals, reading)
            elif not path.is_global and path.root in roots:
                self.reads.walk(path, roots, reading)


def _outer(frame: FrameType | None) -> Source | None:
    """The program's line that led to a frame."""
    while frame is not None and whose(frame.f_code) in {LAYERS, OURS}:
        frame = frame.f_back
    return Source(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


@contextmanager
def watching(watch: Watch | None) -> Iterator[None]:
    """Have the frames of this thread looked at; a profiler that was running goes on afterwards."""
    if watch is None:
        yield
        return
    before: Any = sys.getprofile()
    sys.setprofile(watch.event)
    try:
        yield
    finally:
        sys.setprofile(None)
        watch.reads.let_go()
        if hasattr(before, "enable"):  # that of cProfile is no function
            before.enable()
        elif before is not None:
            sys.setprofile(before)
