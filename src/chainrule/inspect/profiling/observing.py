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
from functools import partial
from types import FrameType
from typing import Any

from chainrule.base.source import noted_by
from chainrule.compiler import compile as compiled
from chainrule.compiler import pipeline
from chainrule.compiler.calls import look
from chainrule.compiler.calls.batch import BatchPlan
from chainrule.compiler.eager import offers
from chainrule.compiler.runtime.program import observed
from chainrule.inspect.profiling import marks
from chainrule.inspect.profiling.observer import Observer
from chainrule.inspect.profiling.samples import sampled
from chainrule.nn.module import Module
from chainrule.tensor.deferred import structure
from chainrule.tensor.deferred.recorder import Recorder, settle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward

Wrapper = Callable[[Any], Any]  # what stands in for a function, from that function
_COMPILING = (
    (look, "capture"), (compiled, "capture"), (pipeline, "optimize"), (pipeline, "plan_graph"),
    (pipeline, "load_kernels"), (offers, "native"),
)  # fmt: skip


class _Post:
    """The place of a function, `owner.name`, in which others stand in for it.

    They are put and taken away in any order: two profiles may overlap.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.own = getattr(owner, name)
        self.others: dict[Observer, Wrapper] = {}

    def arrange(self) -> None:
        """The function itself, and around it the others, the newest outermost."""
        function = self.own
        for wrapper in self.others.values():
            function = wrapper(function)
        setattr(self.owner, self.name, function)


_posts: dict[tuple[int, str], _Post] = {}  # by the id of the owner, which the post keeps


@contextmanager
def _stand_in(observer: Observer, owner: Any, name: str, wrapper: Wrapper) -> Iterator[None]:
    """In the block, what `wrapper` makes of `owner.name` stands in its place."""
    key = (id(owner), name) if owner is not modes else (threading.get_ident(), name)
    post = _posts.setdefault(key, _Post(owner, name))
    post.others[observer] = wrapper
    try:
        post.arrange()
        yield
    finally:
        del post.others[observer]
        post.arrange()
        if not post.others:
            del _posts[key]


@contextmanager
def observing(base: FrameType | None = None) -> Iterator[Observer]:
    """In the block, the calling thread is observed; whatever ends the block ends that."""
    observer = Observer(base)
    stand_in = partial(_stand_in, observer)
    settle()  # what the program has recorded before is not measured
    with ExitStack() as undo:
        undo.enter_context(noted_by(observer.location))
        undo.enter_context(observed(observer.run_native))
        undo.enter_context(stand_in(modes, "quietly", observer.in_place_of))
        for room, name in _COMPILING:
            undo.enter_context(stand_in(room, name, partial(_compiling, observer)))
        undo.enter_context(stand_in(Backward, "rule", partial(_rule, observer)))
        undo.enter_context(stand_in(Backward, "__call__", partial(_sum, observer)))
        undo.enter_context(stand_in(Recorder, "record", partial(_record, observer)))
        undo.enter_context(stand_in(BatchPlan, "run", partial(_run, observer)))
        undo.enter_context(stand_in(structure, "by_calls", partial(_by_calls, observer)))
        undo.enter_context(stand_in(structure, "computed", partial(_computed, observer)))
        undo.enter_context(stand_in(Module, "__call__", partial(_call, observer)))
        marks.listeners.append(observer)
        undo.callback(marks.listeners.remove, observer)
        undo.enter_context(sampled(observer.thread, observer.sample))
        observer.begin()
        try:
            yield observer
            settle()  # what the program has recorded is its work
        finally:
            observer.finish()


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


def _record(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    def record(self: Recorder, call: Any, values: Any) -> Any:
        return observer.record(before, self, call, values)

    return record


def _run(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    return lambda plan, batch: observer.evaluate_batch(before, batch, plan, batch)


def _by_calls(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    return lambda batch, alive: observer.evaluate_batch(before, batch, batch, alive)


def _computed(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, values: observer.compute_entry(before, call, values)


def _call(observer: Observer, before: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - stands in for it
        if threading.get_ident() != observer.thread:
            return before(self, *args, **kwargs)
        return observer.call_module(before, self, args, kwargs, sys._getframe(1))  # noqa: SLF001

    return __call__
