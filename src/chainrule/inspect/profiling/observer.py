"""What a profile measures of the thread it runs on: the functions that stand in for others.

An operation, a node of backward, a module's call, a recorded operation, a native run, a stage of
the compiler: each reads the clock before and after, and notes both in its context. What passes
between two of them is Python's (`ledger.py`). Nothing in the paths of operations knows of it: see
`observing.py`. Example: `observer.quietly(np.add, x, y)`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from time import perf_counter_ns as clock
from types import CodeType, FrameType
from typing import Any, Literal

import numpy as np

from chainrule.base.source import Location
from chainrule.compiler.runtime.program import Program
from chainrule.graph.node import Attrs, Graph
from chainrule.inspect.profiling.contexts import Context, Late, Runs
from chainrule.inspect.profiling.kernels import heaviest
from chainrule.inspect.profiling.ledger import Ledger
from chainrule.nn.layer_path import Layer, layer_in
from chainrule.nn.module import Module
from chainrule.ops.control import call as call_op
from chainrule.ops.record import Op
from chainrule.tensor.deferred.pending import Batch
from chainrule.tensor.deferred.recorder import Recorder
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward

Phase = Literal["forward", "backward"]
_MEETING = "sum of cotangents"


class Observer(Ledger):
    """The functions that measure, each in the place of the one that works."""

    def __init__(self, base: FrameType | None) -> None:
        super().__init__(base, Observer.call_module.__code__)
        self.names: dict[Callable[..., Any], str] = {}  # of operations, by what computes them
        self._bodies: dict[Graph, str] = {}  # the names of calls of a graph
        self.busy = False  # whether what runs now is measured already
        self._layer: Layer | None = None  # that runs; `modes.layer` would change what is recorded
        self._work = modes.quietly
        self._batch: Batch | None = None  # that is evaluated
        self._entry = -1  # of the batch, the last that was computed by itself
        # The location of the recorded operation that is computed by itself, and its graph
        self._late: tuple[Location, Graph | None] | None = None
        self._stage = ""  # of the compiler that runs
        self._compiled = 0  # time of compiling within the operation that runs
        self._pulling = False
        self._builder: Backward | None = None
        self._began_at = self.root  # where that builder's backward pass began
        self._just = False  # whether `here` is the place of an operation that was just measured

    def location(self, code: CodeType, frame: FrameType) -> Location:
        """The location of an operation, with its layer; the time before it is its line's."""
        if threading.get_ident() != self.thread:
            return (code, frame.f_lasti)
        if self._just:  # its node is recorded
            self._just = False
            place = self.here
            if place.at == (code, frame.f_lasti):
                return place.location
        start = clock()
        place = self.place(frame)
        if not self.busy:
            self.spend(place, start)
            self.resume(start)
        return place.location or (code, frame.f_lasti)

    def in_place_of(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        """What measures operations that `evaluate` evaluates."""
        self._work = evaluate
        return self.quietly

    def quietly(self, compute: Callable[..., Any], *values: Any) -> Any:
        """An operation: `compute(*values)` without NumPy's warnings."""
        if self.busy:
            return self._work(compute, *values)
        start = clock()
        self.busy = True
        self._compiled = 0
        try:
            made = self._work(compute, *values)
        finally:
            self.busy = False
        end = clock()
        frame = sys._getframe(1)  # noqa: SLF001 - the documented way to walk the stack
        place = self.place(frame)
        self.spend(place, start)
        if compute not in self.names:
            self.names[compute] = self._name(frame, compute)
        if self._late is not None:
            location, graph = self._late
            name = self.names[compute]
            self._ran_late(place, location, name, "forward", start, end, made, graph=graph)
            return made
        table = place.within if self._pulling else place.operations
        tally = table.get(compute)
        if tally is None:
            tally = table[compute] = [0, 0, 0]
        tally[0] += end - start - self._compiled
        tally[1] += 1
        tally[2] += new_bytes(made, values)
        self.note(start, end, compute, "backward" if self._pulling else "forward", place, None)
        self._just = True
        self.resume(end)
        return made

    def pull_back(
        self, rule: Callable[..., Any], builder: Backward, node: Any, ct: Any, wanted: Any
    ) -> Sequence[Any]:
        """A node of backward: `rule(builder, node, ct, wanted)`."""
        if self.busy or threading.get_ident() != self.thread:
            return rule(builder, node, ct, wanted)  # type: ignore[no-any-return]
        start = clock()
        if builder is not self._builder:
            self._builder, self._began_at = builder, self.place(sys._getframe(1))  # noqa: SLF001
        place = self._began_at
        self.spend(place, start)
        # a user's own backward and a compiled call's are made of what is measured itself
        self.busy = node.call is not None
        before, self._pulling = self._pulling, True
        self._compiled = 0
        begun = self.last = clock()
        self.own += begun - start
        try:
            parts = rule(builder, node, ct, wanted)
        finally:
            single, self.busy, self._pulling = self.busy, False, before
        end = clock()
        if single:
            self._ran_late(
                place, node.location, self.op_name(node.op, node.attrs), "backward", begun, end,
                *parts, graph=_body(node),
            )  # fmt: skip
        else:
            self.spend(place, end)
            self.resume(end)
        return parts  # type: ignore[no-any-return]

    def add_up(self, add: Callable[..., Any], builder: Backward, args: Any, kwargs: Any) -> Any:
        """What backward computes between two nodes: the sum of cotangents that meet."""
        if self.busy or threading.get_ident() != self.thread or builder is not self._builder:
            return add(builder, *args, **kwargs)
        start, place = clock(), self._began_at
        self.spend(place, start)
        self._compiled = 0
        made = add(builder, *args, **kwargs)
        end = clock()
        self._ran_late(place, None, _MEETING, "backward", start, end, made)
        return made

    def _ran_late(
        self, place: Context, location: Location, op: str, phase: Phase, start: int, end: int,
        *made: Any, graph: Graph | None = None,
    ) -> None:  # fmt: skip
        """Note what ran at `place` and belongs to another line."""
        key = (id(location), id(graph), op, phase)
        late = place.late.get(key)
        if late is None:
            late = place.late[key] = Late(location, op, phase, [0, 0, 0], graph)
        tally = late.tally
        tally[0] += end - start - self._compiled
        tally[1] += 1
        tally[2] += sum([new_bytes(part, ()) for part in made if part is not None])
        self.note(start, end, late, phase, place, None)
        self.resume(end)

    def record(self, record: Callable[..., Any], recorder: Recorder, call: Any, values: Any) -> Any:
        """An operation that is recorded for later: its line is noted in its batch."""
        if self.busy or threading.get_ident() != self.thread:
            return record(recorder, call, values)
        made = record(recorder, call, values)
        batch = recorder.batch
        if batch.entries and batch.entries[-1][0] is call:
            end = clock()
            place = self.place(sys._getframe(1))  # noqa: SLF001
            self.spend(place, end)
            batch.locations.setdefault(len(batch.entries) - 1, place.location)
            self._just = True
            self.resume(end)
        return made

    def evaluate_batch(self, evaluate: Callable[..., Any], batch: Batch, *more: Any) -> Any:
        """The evaluation of recorded operations, natively or one by one."""
        before = self._batch, self._entry
        self._batch, self._entry = batch, -1
        try:
            return evaluate(*more)
        finally:
            self._batch, self._entry = before

    def compute_entry(self, compute: Callable[..., Any], call: Any, values: Any) -> Any:
        """The evaluation of one recorded operation, the next of its batch with this call."""
        batch = self._batch
        if batch is None or threading.get_ident() != self.thread:
            return compute(call, values)
        self._entry += 1
        while batch.entries[self._entry][0] is not call:
            self._entry += 1
        self._late = (batch.locations.get(self._entry), _body(call))
        try:
            return compute(call, values)
        finally:
            self._late = None

    def run_native(self, program: Program, native: Callable[[], int]) -> int:
        """A run of a compiled program."""
        if self.busy or threading.get_ident() != self.thread:
            return native()
        start = clock()
        status = native()
        end, ticks = clock(), program.spent
        place = self.place(sys._getframe(1))  # noqa: SLF001
        self.spend(place, start)
        batch = self._batch
        lines = [] if batch is None else [*map(batch.locations.get, range(len(batch.entries)))]
        key = (program, tuple(map(id, lines)))
        runs = place.programs.get(key)
        if runs is None:
            runs = place.programs[key] = Runs(len(ticks), lines)
        runs.time += end - start
        runs.calls += 1
        runs.ticks += ticks
        phase = "backward" if self._pulling else "forward"
        self.note(start, end, program, phase, place, ticks)
        self.resume(end)
        return status

    def call_module(
        self, call: Callable[..., Any], module: Module, args: Any, kwargs: Any, frame: FrameType
    ) -> Any:
        """The call of a module from `frame`: what happens inside is its layer's."""
        start = clock()
        place, before, outer = self.place(frame), self.top, self._layer
        if not self.busy:
            self.spend(place, start)
        self._layer = inside = layer_in(outer, module)
        self.top = self.here = place.inside(inside)
        if not self.busy:
            self.resume(start)
        try:
            return call(module, *args, **kwargs)
        finally:
            end = clock()
            if not self.busy:
                self.spend(self.here, end)
                self.note(start, end, inside, "layer", place, None)
            self.top, self.here, self._layer = before, place, outer
            if not self.busy:
                self.resume(end)

    def op_name(self, op: Op, attrs: Attrs) -> str:
        """The op's name; of a function that is recorded as one call, that of its heaviest op."""
        graph = attrs.get("graph") if op is call_op else None
        if graph is None:
            return op.name
        name = self._bodies.get(graph)
        if name is None:
            name = self._bodies[graph] = heaviest(graph)
        return name

    def _name(self, frame: FrameType | None, compute: Callable[..., Any]) -> str:
        """The op's name, from the prepared call that the frame evaluates."""
        while frame is not None and frame.f_code is Observer.quietly.__code__:
            frame = frame.f_back  # another profile's
        call = None if frame is None else frame.f_locals.get("call")
        op = getattr(call, "op", None)
        if call is None or op is None:
            return getattr(compute, "__name__", "operation")
        return self.op_name(op, call.attrs)

    def compile(self, stage: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A stage of tracing and compiling."""
        if self._stage or threading.get_ident() != self.thread:
            return stage(*args, **kwargs)
        start = clock()
        inside, self.busy, self._stage = self.busy, True, stage.__name__
        try:
            return stage(*args, **kwargs)
        finally:
            end = clock()
            place = self.place(sys._getframe(1))  # noqa: SLF001
            place.compiling += end - start
            self.note(start, end, self._stage, "compile", place, None)
            self.busy, self._stage = inside, ""
            if inside:  # an operation that makes its kernel
                self._compiled += end - start
            else:
                self.spend(place, start)
                self.resume(end)


def _body(called: Any) -> Graph | None:
    """The graph of a call, or of a node, that stands for several operations."""
    return called.attrs.get("graph") if called.op is call_op else None


def new_bytes(made: Any, values: Sequence[Any]) -> int:
    """The bytes of a result that is no view of an operand; of several results their sum."""
    if type(made) is not np.ndarray:
        return sum([new_bytes(each, values) for each in made]) if isinstance(made, tuple) else 0
    base = made.base
    for value in values:
        if made is value:
            return 0
        if base is not None and (base is value or base is getattr(value, "base", None)):
            return 0
    return made.nbytes if base is None or values else 0  # or it is a view of what was made
