"""A block in which the calling thread is observed: what measures stands in for what works.

Four functions are replaced, and put back whatever ends the block: the evaluation of an operation,
the rule of a node of backward with the sums between them, the call of a module, and the stages of
the compiler. Native runs and locations have hooks of their own. Example:

    with observing() as observer:
        program()
    observer.root       # the contexts, with what was spent in them
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from chainrule.base.source import noted_by
from chainrule.compiler import compile as compiled
from chainrule.compiler import pipeline
from chainrule.compiler.calls import look
from chainrule.compiler.eager import offers
from chainrule.compiler.runtime.program import observed
from chainrule.inspect.profiling import marks
from chainrule.inspect.profiling.observer import Observer
from chainrule.inspect.profiling.samples import sampled
from chainrule.nn.module import Module
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward

_COMPILING = (
    (look, "capture"), (compiled, "capture"), (pipeline, "optimize"), (pipeline, "plan_graph"),
    (pipeline, "load_kernels"), (offers, "native"),
)  # fmt: skip


@contextmanager
def observing(base: FrameType | None = None) -> Iterator[Observer]:
    """In the block, the calling thread is observed; whatever ends the block ends that."""
    observer = Observer(base)
    with ExitStack() as undo:
        undo.enter_context(noted_by(observer.location))
        undo.enter_context(observed(observer.run_native))
        _replace(undo, modes, "quietly", observer.quietly)
        for room, name in _COMPILING:
            _replace(undo, room, name, _compiling(observer, getattr(room, name)))
        _replace(undo, Backward, "rule", _rule(observer, Backward.rule))
        _replace(undo, Backward, "__call__", _sum(observer, Backward.__call__))
        _replace(undo, Module, "__call__", _call(observer, Module.__call__))
        marks.listeners.append(observer)
        undo.callback(marks.listeners.remove, observer)
        undo.enter_context(sampled(observer.thread, observer.sample))
        observer.begin()
        try:
            yield observer
        finally:
            observer.finish()


def _replace(undo: ExitStack, owner: Any, name: str, made: Any) -> None:
    before = getattr(owner, name)
    undo.callback(setattr, owner, name, before)
    setattr(owner, name, made)


def _compiling(observer: Observer, stage: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: observer.compile(stage, args, kwargs)


def _rule(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    def rule(builder: Backward, node: Any, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Any]:
        return observer.pull_back(before, builder, node, ct, wanted)

    return rule


def _sum(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Backward, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - stands in for it
        return observer.add_up(before, self, args, kwargs)

    return __call__


def _call(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - stands in for it
        if threading.get_ident() != observer.thread:
            return before(self, *args, **kwargs)
        return observer.call_module(before, self, args, kwargs, sys._getframe(1))  # noqa: SLF001

    return __call__
