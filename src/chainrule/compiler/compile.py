"""`compile`: a function that is traced, compiled once per kind of argument, and then runs natively.

Example: `step = compile(step)`; see `docs/` for what a compiled function can and cannot do.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from chainrule.base.errors import IndexBoundsError
from chainrule.base.settings import settings
from chainrule.compiler.capture import Capture, capture
from chainrule.compiler.pipeline import Compiled, compile_graph
from chainrule.compiler.runtime.native import unavailable
from chainrule.compiler.structure import flatten, unflatten
from chainrule.graph.node import Node
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import NOT_KEPT, Handle
from chainrule.tensor.modes import modes

F = TypeVar("F", bound=Callable[..., Any])
_OWN_REFERENCES = 3  # of a state's array: the handle, the bound list, getrefcount's argument


class CacheEntry(NamedTuple):
    """What `explain_cache()` shows of one compiled variant."""

    arguments: str
    kernels: int
    arena_bytes: int
    seconds: float
    calls: int


class CompiledFunction:
    """A function with its compiled variants; call it like the function."""

    def __init__(self, fn: Callable[..., Any], *, keep_grads: bool) -> None:
        """Nothing is compiled before the first call."""
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.keep_grads = keep_grads
        self._variants: dict[Any, list[_Variant]] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the variant that fits, compiling it if there is none."""
        if modes.trace is not None or not _native():
            return self.fn(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        key = (structure, modes.grad, tuple([(a.shape, a.dtype) for a in leaves]))
        try:
            variants = self._variants.setdefault(key, [])
        except TypeError:
            raise TypeError(
                f"{self.fn.__name__}: an argument of a compiled function is neither an array nor "
                "hashable, so calls cannot be told apart; pass numbers, strings, tuples or arrays"
            ) from None
        with self._lock:
            for variant in variants:
                if variant.fits():
                    break
            else:
                variant = _Variant(self.fn, args, kwargs, keep_grads=self.keep_grads)
                variants.append(variant)
            return variant.run(leaves)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Compiled methods bind to their instance."""
        return self if instance is None else functools.partial(self, instance)

    def explain_cache(self) -> list[CacheEntry]:
        """One entry per compiled variant: what it is for, its size, what it cost."""
        found = []
        for key, variants in self._variants.items():
            shapes = ", ".join(f"{d!r}{list(s)}".replace("chainrule.", "") for s, d in key[2])
            for v in variants:
                plan = v.compiled.plan
                found.append(
                    CacheEntry(shapes, plan.kernels, plan.arena_bytes, v.seconds, v.calls)
                )
        return found


class _Variant:
    """One trace with its plan, bound to the outside tensors it reads and writes."""

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        keep_grads: bool,
    ) -> None:
        start = time.perf_counter()
        self.capture: Capture = capture(fn, args, kwargs, keep_grads=keep_grads)
        self.compiled: Compiled = compile_graph(self.capture.captured)
        self.seconds = time.perf_counter() - start
        self.calls = 0
        c = self.capture
        externals = self.compiled.plan.externals
        self._addresses = np.zeros(len(externals), np.int64)
        inputs = c.captured.graph.inputs
        n_states, n_grads, n_numbers = len(c.states), len(c.grad_owners), len(c.numbers)
        self._n_args = len(inputs) - n_states - n_grads - n_numbers
        self._numbers = np.zeros(max(n_numbers, 1), np.float64)
        self._flag = np.zeros(1, np.int64)
        self._bound: list[Any] = [None] * n_states
        at = self._n_args + n_states + n_grads
        base = self._numbers.__array_interface__["data"][0]
        for i in range(n_numbers):
            self._addresses[at + i] = base + 8 * i
        if self.compiled.flag is not None:
            self._addresses[-1] = self._flag.__array_interface__["data"][0]
        self._result_types = [n.array for n in self.compiled.results]
        self._first_result = len(inputs)
        self._written = set(c.replaced)

    def fits(self) -> bool:
        """Whether everything that was constant in the trace still is."""
        for read, value in self.capture.guards:
            if read() != value:
                return False
        for handle, none in self.capture.grad_was_none:
            if isinstance(handle._grad, Handle) is none:
                return False
        for handle, node in zip(self.capture.states, self._state_nodes(), strict=True):
            value = handle._value
            if value is None or value.shape != node.shape:
                return False
        return True

    def _state_nodes(self) -> tuple[Node, ...]:
        return self.capture.captured.graph.inputs[self._n_args :][: len(self.capture.states)]

    def run(self, leaves: list[Any]) -> Any:
        """Bind, run, and hand out results and effects."""
        keep: list[Any] = []
        self._bind_arguments(leaves, keep)
        self._bind_states()
        results = [np.empty(t.shape, t.dtype.numpy) for t in self._result_types]
        for i, array in enumerate(results, self._first_result):
            self._addresses[i] = array.__array_interface__["data"][0]
        for i, read in enumerate(self.capture.numbers):
            self._numbers[i] = read()
        self._flag[0] = 0
        program = self.compiled.executable.program
        done = program.completed
        try:
            if not self.compiled.executable.run(self._addresses):
                self._report_bounds(leaves)
        finally:
            if program.completed != done:
                self.calls += 1
                self._publish(results)
        values = [wrap(a) for a in results[: self.capture.results]]
        return unflatten(self.capture.structure, values)

    def _bind_arguments(self, leaves: list[Any], keep: list[Any]) -> None:
        inputs = self.capture.captured.graph.inputs
        for i, leaf in enumerate(leaves):
            array = leaf._concrete("a compiled call") if isinstance(leaf, Handle) else leaf
            node = inputs[i]
            array = np.ascontiguousarray(array, node.dtype.numpy)
            keep.append(array)
            self._addresses[i] = array.__array_interface__["data"][0]
        at = self._n_args + len(self.capture.states)
        for i, owner in enumerate(self.capture.grad_owners, at):
            array = np.ascontiguousarray(owner._grad._concrete("grad"))
            keep.append(array)
            self._addresses[i] = array.__array_interface__["data"][0]

    def _bind_states(self) -> None:
        """Addresses of outside tensors; what others may see is copied before it is written."""
        bound = self._bound
        for i, handle in enumerate(self.capture.states):
            handle._sync()
            value = handle._value
            assert value is not None
            shared = i in self._written and sys.getrefcount(value) > _OWN_REFERENCES + (
                bound[i] is value
            )
            if bound[i] is value and not shared:
                continue
            if shared or not (value.flags.c_contiguous and value.flags.writeable):
                value = np.array(value, order="C")
                handle._value = value
            bound[i] = value
            self._addresses[self._n_args + i] = value.__array_interface__["data"][0]

    def _publish(self, results: list[Any]) -> None:
        """Make the committed state visible: views look again, gradients are as traced."""
        c = self.capture
        for i in c.replaced:
            c.states[i]._version += 1
        for handle, number in c.reshaped:
            handle._become(wrap(results[number]))
        for handle, place in c.grads:
            handle._grad = None if place is None else wrap(results[place])
        for handle in c.forgotten:
            handle._grad = NOT_KEPT

    def _report_bounds(self, leaves: list[Any]) -> None:
        """The guard stopped the step: say which index, as far as it can still be seen."""
        inputs = self.capture.captured.graph.inputs
        for bound in self.compiled.bounds:
            where = f" (read at {bound.reader.source})" if bound.reader.source else ""
            if bound.indices in inputs[: len(leaves)]:
                value = np.asarray(leaves[inputs.index(bound.indices)])
                bad = value[(value < 0) | (value >= bound.limit)]
                if bad.size:
                    raise IndexBoundsError(
                        f"index {int(bad.flat[0])} is outside 0 to {bound.limit - 1}{where}; "
                        "nothing was changed"
                    )
        limits = sorted({f"0 to {b.limit - 1}" for b in self.compiled.bounds})
        raise IndexBoundsError(
            f"an index inside the compiled step is out of range ({' or '.join(limits)}); "
            "nothing was changed; run the function without compile to see which"
        )


_noticed = threading.Event()


def _native() -> bool:
    """Whether machine code can be made here; says once why not."""
    if settings().no_compile:
        return False
    reason = unavailable()
    if reason is None:
        return True
    if not _noticed.is_set():
        _noticed.set()
        warnings.warn(f"running eagerly: {reason}", RuntimeWarning, stacklevel=3)
    return False


@overload
def compile(model: F, *, keep_grads: bool = False) -> F: ...
@overload
def compile(model: None = None, *, keep_grads: bool = False) -> Callable[[F], F]: ...
def compile(model: Any = None, *, keep_grads: bool = False, **inert: Any) -> Any:
    """Compile a function: forward, backward and update inside it become one native call.

    It is traced at the first call with arguments of new shapes, dtypes or Python values. `.grad`s
    that the function assigns are not kept after the step unless `keep_grads`. Other keyword
    arguments of PyTorch's `torch.compile` are accepted and change nothing.
    """
    del inert
    if model is None:
        return lambda fn: compile(fn, keep_grads=keep_grads)
    return CompiledFunction(model, keep_grads=keep_grads)
