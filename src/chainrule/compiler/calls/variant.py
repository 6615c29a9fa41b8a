"""One compiled variant of a function: a trace with its plan, bound to the outside tensors it uses.

A call checks what was constant in the trace (`fits`), binds arrays, runs natively and then makes
the new state visible. Nothing is visible before the plan's commit, and all of it after.
Example: `variant.run(leaves)` as `compile.CompiledFunction` does.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from dataclasses import replace
from functools import cached_property
from itertools import starmap
from typing import Any, Literal

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.calls.gradient import Link, connect, tape_node
from chainrule.compiler.calls.look import Seen
from chainrule.compiler.calls.out_of_range import not_finite, out_of_range
from chainrule.compiler.calls.retrace import alike
from chainrule.compiler.guards.guards import Change
from chainrule.compiler.pipeline import compile_graph
from chainrule.compiler.runtime.heap import no_collections
from chainrule.compiler.runtime.plan import address
from chainrule.compiler.trace.aliases import root_of, signature
from chainrule.compiler.trace.containers import refill
from chainrule.compiler.trace.leaks import settle
from chainrule.compiler.trace.returned import restored
from chainrule.compiler.trace.structure import mutables, unflatten
from chainrule.graph.node import Node
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import NOT_KEPT, Handle
from chainrule.tensor.leaf_grad import accumulate, get_grad
from chainrule.tensor.modes import modes, no_grad, set_grad_enabled
from chainrule.tensor.tensor import Tensor

Array = np.ndarray[Any, Any]
Setting = tuple[Any, str, Any]  # object, attribute, new value
_OTHERWISE = (
    "a hook of a module, a gradient that was None, the type of a tensor or an optimizer's choice "
    "changed"
)
Guarded = Literal["indices", "results", "state"]


def _references(handle: Any) -> int:
    """References to a handle's array, those of this very look included."""
    value = handle._value
    return sys.getrefcount(value)


class _Alone:
    """Stands for a handle whose array nothing else refers to."""

    def __init__(self) -> None:
        self._value = np.zeros(1)


_ALONE = _references(_Alone())


def _look_behind(handle: Handle) -> None:
    """Hold the array of which the value is a whole view: copies share one until it is written."""
    view = handle._array()
    base = None if view is None else view.base
    if (
        isinstance(base, np.ndarray)
        and view is not None
        and (base.shape, base.dtype, base.strides) == (view.shape, view.dtype, view.strides)
    ):
        handle._value = base


def _assign(settings: list[Setting]) -> None:
    """Make all assignments, without a moment at which Python would handle a signal."""
    deque(starmap(setattr, settings), maxlen=0)


class Variant:
    """See the module's docstring; `seconds` is what making it took, `calls` how often it ran."""

    def __init__(
        self,
        seen: Seen,
        *,
        name: str,
        guarded: Guarded = "indices",
    ) -> None:
        """Compile what a look at a function found.

        `guarded` says what has to be right before anything is changed: indices, also that what
        the function returns is finite, or also that all new state is.
        """
        self.name = name
        start = time.perf_counter()
        with no_collections():
            self.seen, self.capture = seen, seen.capture
            self.executable = compile_graph(
                replace(self.capture.captured, finite=self._finite(guarded))
            )
            halves = self.capture.halves
            self._link = None if halves is None else Link(halves)
        self.seconds = time.perf_counter() - start
        self.calls = 0
        self.looked = False  # whether a second trace was compared with the one it was made of
        self.running = False
        c, inputs = self.capture, self.capture.captured.graph.inputs
        self._addresses = np.zeros(len(self.executable.plan.externals), np.int64)
        self._at = at = c.inputs
        self._argument_types = [inputs[i].array for i in at.arguments]
        self._state_types = [inputs[i].array for i in at.states]
        self._result_types = [n.array for n in self.executable.plan.results]
        self._written = [i in c.replaced for i in range(len(at.states))]
        self._known: list[weakref.ref[Array]] = [weakref.ref(np.zeros(0))] * len(at.states)
        self._numbers = np.zeros(max(len(at.numbers), 1), np.float64)
        for i, position in enumerate(at.numbers):
            self._addresses[position] = address(self._numbers[i:])
        self._flag = np.zeros(1, np.int64)
        if self.executable.plan.guard is not None:
            self._addresses[-1] = address(self._flag)

    @cached_property
    def pure(self) -> bool:
        """Whether a call changes nothing but what it returns."""
        c, h = self.capture, self.capture.handed
        effects = (c.replaced, c.reshaped, c.rewritten, c.grads, c.forgotten)
        return not any((*effects, h.rebound, h.gradients, h.filled, h.marked))

    def _finite(self, guarded: Guarded) -> tuple[int, ...]:
        """The outputs that have to be finite: not what is kept for a gradient outside."""
        captured, returned = self.capture.captured, self.capture.handed.checked
        if guarded == "indices":
            return ()
        return (*returned, *captured.replaces) if guarded == "state" else returned

    def arena_bytes(self) -> int:
        """Memory that the plan, and that of its gradient, keep between calls."""
        own, link = self.executable.plan.arena_bytes, self._link
        return own if link is None else own + link.arena_bytes()

    # -- before ---------------------------------------------------------------------------------

    def suits(self, leaves: list[Any]) -> bool:
        """Whether the arguments share memory as they did in the trace, where it writes."""
        c = self.capture
        return c.aliases is None or c.aliases == signature(leaves, c.outside, within=c.within)

    def fits(self) -> bool:
        """Whether everything that was constant in the trace still is."""
        return self.seen.guards.hold() and self.fits_tensors()

    def takes(self, seen: Seen) -> bool:
        """Whether the plan does what a new look found; then it reads and guards what that did."""
        new = seen.capture
        if not (self.fits_tensors() and alike(self.capture, new)):
            return False
        self.seen = self.seen._replace(guards=seen.guards, noted=seen.noted)
        self.capture = replace(self.capture, numbers=new.numbers, guards=new.guards)
        return True

    def guarded(self) -> tuple[str, ...]:
        """The places in Python state that it read, as the program spells them."""
        return tuple(dict.fromkeys([*self.seen.noted.names(), *self.seen.guards.names()]))

    def reasons(self) -> list[Change]:
        """The changes since the trace."""
        found = [*self.seen.noted.changes(), *self.seen.guards.changes()]
        return found or [Change(_OTHERWISE, None, None, None)]

    def fits_tensors(self) -> bool:
        """Whether the tensors, and what decides about them, are of the kind they were."""
        if not self.seen.noted.hold():
            return False
        c = self.capture
        for read, value in c.guards:
            if read() != value:
                return False
        for handle, none in c.grad_was_none:
            if (get_grad(handle) is None) is not none:
                return False
        for handle, grad, type_, known in zip(
            c.states, c.requires_grad, self._state_types, self._known, strict=True
        ):
            if handle._lens is not None:
                handle._sync()
            value = handle._array()
            if value is None or handle._requires_grad is not grad:
                return False
            if known() is not value and (value.shape, value.dtype) != (
                type_.shape,
                type_.dtype.numpy,
            ):
                return False
        return True

    def _bind_arguments(self, leaves: list[Any], keep: list[Array]) -> None:
        for i, (leaf, type_) in enumerate(zip(leaves, self._argument_types, strict=True)):
            array = leaf._concrete("a compiled call") if isinstance(leaf, Handle) else leaf
            array = np.ascontiguousarray(array, type_.dtype.numpy)
            keep.append(array)
            self._addresses[i] = address(array)

    def _bind_gradients(self, keep: list[Array]) -> None:
        for i, owner in zip(self._at.gradients, self.capture.grad_owners, strict=True):
            array = np.ascontiguousarray(owner._grad._concrete("grad"))
            keep.append(array)
            self._addresses[i] = address(array)

    def _bind_states(self, keep: list[Array]) -> None:
        """Addresses of outside tensors; what others may see is copied before it is written."""
        first = self._at.states.start
        for i, handle in enumerate(self.capture.states):
            if self._written[i]:
                _look_behind(handle)
            shared = self._written[i] and _references(handle) > _ALONE
            value = handle._array()
            assert value is not None
            if shared or self._known[i]() is not value:
                flags = value.flags
                own = flags.writeable and value.base is None
                if shared or not flags.c_contiguous or (self._written[i] and not own):
                    handle._value = value = np.array(value, order="C")
                self._known[i] = weakref.ref(value)
                self._addresses[first + i] = address(value)
            keep.append(value)

    # -- the call -------------------------------------------------------------------------------

    def run(self, leaves: list[Any], given: Any = ()) -> Any:
        """Bind, run, and hand out results and effects; `given` holds the call's containers.

        Raises CompileError in a signal handler that interrupted a call of this variant.
        """
        if self.running:
            raise CompileError("a signal handler called the compiled step that it interrupted")
        try:
            self.running = True
            roots = [root_of(leaves[i]) for i in self.capture.handed.roots]
            return self._run([*leaves, *roots], given)
        finally:
            self.running = False

    def _run(self, leaves: list[Any], given: Any) -> Any:
        keep: list[Array] = []  # alive while machine code reads and writes them
        self._bind_arguments(leaves, keep)
        self._bind_states(keep)
        self._bind_gradients(keep)
        results = [np.empty(t.shape, t.dtype.numpy) for t in self._result_types]
        for i, array in enumerate(results, self._at.numbers.stop):
            self._addresses[i] = address(array)
        for i, read in enumerate(self.capture.numbers):
            self._numbers[i] = read()
        self._flag[0] = 0
        sources = self._sources(leaves) if self._link is not None else []
        values = [wrap(a) for a in results]
        kept = self._kept_inputs(keep, leaves) if self._link is not None else {}
        settings = self._settings(values)
        if settings:
            self._commit(leaves, settings)
        else:
            self._execute(leaves)
        self.calls += 1
        for at, flag in self.capture.handed.marked:
            leaves[at].requires_grad = flag
            if sources:
                sources[at] = leaves[at]._tape_node()
        if self._link is not None:
            self._connect(self._link, sources, kept, values)
        self._change_arguments(leaves, values)
        return self._returned(leaves, values, given)

    def _commit(self, leaves: list[Any], settings: list[Setting]) -> None:
        """Run natively, and make the settings as soon as the run is complete."""
        program = self.executable.program
        done = program.completed
        settled = False
        try:
            try:
                self._execute(leaves)
            finally:
                if program.completed != done:
                    _assign(settings)
                    settled = True
        finally:  # an interrupt may have struck just there
            if not settled and program.completed != done:
                _assign(settings)

    def _execute(self, leaves: list[Any]) -> None:
        """Run natively; the error of what the guard found."""
        if not self.executable.run(self._addresses):
            inputs = self.capture.captured.graph.inputs
            handles = [*leaves, *self.capture.states]
            values = self._values(leaves)
            error = out_of_range(self.executable.plan.bounds, inputs, values, handles)
            raise error or not_finite(self.name)

    def _returned(self, leaves: list[Any], values: list[Tensor], given: Any) -> Any:
        """The function's results, after containers and kept tensors have their values."""
        c = self.capture
        for number in c.made_leaves:
            values[number]._requires_grad = True
        settle(c.leaks, values, leaves)
        known = mutables(given) if c.known else ()
        for number, shell, inner, origins in c.handed.filled:
            found = [restored(o, values, leaves) for o in origins]
            refill(known[number], shell, unflatten(inner, found, known=known))
        return unflatten(
            c.structure, [restored(o, values, leaves) for o in c.handed.returned], known=known
        )

    def _kept_inputs(self, keep: list[Array], leaves: list[Any]) -> dict[int, Array]:
        """Values of the inputs that backward reads: what may be written over is copied."""
        assert self._link is not None
        arrays, at = [*keep, *self._numbers], self._at
        found = {}
        for i in self._link.split.kept:
            if i in at.arguments:
                volatile = not isinstance(leaves[i], Handle)
            else:
                volatile = i not in at.states or self._written[i - at.states.start]
            found[i] = np.array(arrays[i]) if volatile else arrays[i]
        return found

    def _sources(self, leaves: list[Any]) -> list[Node]:
        """The tape's nodes of what a gradient goes to, as they are before the call."""
        c, types = self.capture, [n.array for n in self.capture.captured.graph.inputs]
        assert self._link is not None
        owners, wanted = [*leaves, *c.states], set(self._link.split.wanted)
        return [tape_node(owners[i] if i in wanted else None, t) for i, t in enumerate(types)]

    def _connect(
        self, link: Link, sources: list[Node], kept: dict[int, Array], values: list[Tensor]
    ) -> None:
        """Results that require grad know what they were computed from."""
        c = self.capture
        arrays: list[Any] = [v._value for v in values]
        nodes = connect(link, sources, kept, arrays, self.name)
        for number, node in zip(link.split.results, nodes, strict=True):
            values[number]._node, values[number]._requires_grad = node, True
        for handle, number in c.connected:
            handle._node, handle._requires_grad = values[number]._node, True

    def _settings(self, values: list[Tensor]) -> list[Setting]:
        """Assignments that make the committed state visible to views and as gradients."""
        c = self.capture
        if self.pure:
            return []
        found: list[Setting] = [
            (c.states[i], "_version", c.states[i]._version + 1) for i in c.replaced
        ]
        for handle, number in (*c.reshaped, *((h._grad, n) for h, n in c.rewritten)):
            found += [
                (handle, "_version", handle._version + 1),
                (handle, "_value", values[number]._value),
                (handle, "_node", None),
            ]
        found += [(h, "_grad", None if n is None else values[n]) for h, n in c.grads]
        found += [(h, "_grad", NOT_KEPT) for h in c.forgotten]
        return found

    def _change_arguments(self, leaves: list[Any], values: list[Tensor]) -> None:
        """Effects on the arguments: new values, and gradients added up."""
        for at, number in self.capture.handed.rebound:
            self._change(leaves[at], values[number])
        if self.capture.handed.gradients:
            with no_grad():
                for at, number in self.capture.handed.gradients:
                    accumulate(leaves[at], values[number])

    def _change(self, leaf: Any, value: Tensor) -> None:
        """Give an argument the value that was written into it, and what computed it."""
        if not isinstance(leaf, Handle):
            leaf[...] = value._value
            return
        root = root_of(leaf)
        with set_grad_enabled(modes.grad and not (root.requires_grad and root.is_leaf)):
            leaf._rebind(value, recorded=True)

    def _values(self, leaves: list[Any]) -> list[Any]:
        """The values of the graph's inputs."""
        c = self.capture
        handles = [*leaves, *c.states, *(get_grad(h) for h in c.grad_owners)]
        numbers = [np.asarray(v) for v in self._numbers[: len(c.numbers)]]
        arrays = [h._concrete("an index") if isinstance(h, Handle) else h for h in handles]
        types = [n.array for n in c.captured.graph.inputs]
        return [
            np.asarray(v, t.dtype.numpy) for v, t in zip([*arrays, *numbers], types, strict=True)
        ]
