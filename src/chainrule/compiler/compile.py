"""`compile`: a function that is traced, compiled once per kind of argument, and then runs natively.

Example: `step = compile(step)`. What a compiled function can and cannot do stands in
docs/architecture.md, "Tracing a step".
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from chainrule.base.dtypes import DType, from_numpy
from chainrule.base.errors import KindError, NonFiniteError, TraceError
from chainrule.base.settings import settings
from chainrule.base.shapes import Shape
from chainrule.base.source import warn
from chainrule.compiler.cache_report import CacheEntry, CacheReport
from chainrule.compiler.calls.history import History
from chainrule.compiler.calls.joining import Joining
from chainrule.compiler.calls.look import Seen, look
from chainrule.compiler.calls.modules import compiled_module
from chainrule.compiler.calls.plan_cache import PLANS
from chainrule.compiler.calls.retrace import check_constants
from chainrule.compiler.calls.variant import Guarded, Variant
from chainrule.compiler.runtime.availability import native_code
from chainrule.compiler.trace.capture import capture
from chainrule.compiler.trace.leaks import where_held
from chainrule.compiler.trace.structure import describe, flatten
from chainrule.tensor.alive import is_module
from chainrule.tensor.convert import get_default_dtype
from chainrule.tensor.deferred.recorder import settle
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

F = TypeVar("F", bound=Callable[..., Any])
_MOST_VARIANTS = 16  # that differ in what was constant in the trace, not in their arguments


class CompiledFunction:
    """A function with its compiled variants; call it like the function."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        keep_grads: bool,
        debug: bool,
        check_finite: bool,
        name: str | None = None,
        joins: bool = False,
    ) -> None:
        """Nothing is compiled before the first call; `debug` traces again at every call.

        With `joins` a call can be part of a recorded step, see `calls/joining.py`.
        """
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name: str = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.keep_grads = keep_grads
        self.debug = debug
        self.check_finite = check_finite
        self.evicted = 0  # variants that were dropped to keep within the bound of memory
        self._joining = Joining() if joins else None
        self._kept = 0  # calls that left tensors of theirs outside
        self._variants: dict[Any, list[Variant]] = {}
        self.history = History(self.name)
        self._lock = threading.RLock()
        _functions.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the variant that fits, compiling it if there is none."""
        if modes.trace is not None or modes.anomaly or not native_code():
            return self.fn(*args, **kwargs)
        joining = self._joining
        if joining is not None and settings().defer != "off" and joining.joins():
            return self.fn(*args, **kwargs)
        settle()
        watch = modes.watch
        try:
            return self._run(args, kwargs, self._guarded() if watch is None else "state")
        except NonFiniteError:
            if watch is None:
                raise
            watch.explain_step(self.fn, args, kwargs)
            return self._run(args, kwargs, self._guarded())  # infinities that do no harm

    def _guarded(self) -> Guarded:
        return "results" if self.check_finite else "indices"

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], guarded: Guarded) -> Any:
        leaves, structure = flatten((args, kwargs))
        kinds, repeats = tuple([_kind(a) for a in leaves]), _twice(leaves)
        key = (structure, kinds, repeats, modes.grad, get_default_dtype(), guarded)
        try:
            variants = self._variants.setdefault(key, [])
        except TypeError:
            raise KindError(
                f"{self.name}: an argument is neither an array nor hashable, so calls of a "
                "compiled function cannot be told apart\n  pass numbers, strings, tuples or arrays"
            ) from None
        with self._lock:
            debug = self.debug or settings().retrace
            variant, suited = None, variants
            for each in variants:
                if each.suits(leaves) and each.fits():
                    variant = each
                    break
            else:
                suited = [v for v in variants if v.suits(leaves)]
            if variant is None and debug:
                variant = next((v for v in suited if v.fits_tensors()), None)
            if variant is None:
                seen = self._first_look(key, args, kwargs)
                if seen is None:
                    return self.fn(*args, **kwargs)
                variant = self._retraced(variants, suited, seen, guarded)
            else:
                PLANS.touch(variant)
                if debug:
                    again = capture(self.fn, args, kwargs, keep_grads=self.keep_grads)
                    check_constants(self.name, variant.capture, again)
                elif variant.calls and not variant.looked:
                    self.history.second_look(variant, self._look(args, kwargs))
            if variant.running and variant.pure:  # a signal handler interrupted a call
                return self.fn(*args, **kwargs)
            return variant.run(leaves, (args, kwargs))

    def _retraced(
        self, variants: list[Variant], suited: list[Variant], seen: Seen, guarded: Guarded
    ) -> Variant:
        """No variant fits: one whose plan does the same all the same, or else a new one."""
        self.history.retraces(suited)
        for variant in suited:
            if variant.takes(seen):
                self.history.second_look(variant, lambda: seen)
                return variant
        made = Variant(seen, name=self.name, guarded=guarded)
        if made.capture.leaks:
            self._say_kept(made)
        else:
            self._keep(variants, made)
        return made

    def _first_look(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Seen | None:
        """The trace of a call without a plan; None where the module's Python has to run."""
        joining = self._joining
        if joining is None or settings().defer == "off":
            return self._look(args, kwargs)()
        if joining.waits(key):
            return None
        try:
            seen = self._look(args, kwargs)()
        except TraceError as error:
            joining.give_up(error)
            return None
        joining.note(seen)
        return seen

    def _look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Seen]:
        """A function that traces a call."""
        return functools.partial(
            look,
            self.fn,
            args,
            kwargs,
            keep_grads=self.keep_grads,
            ignored=self.history.ignored,
        )

    def _keep(self, variants: list[Variant], new: Variant) -> None:
        """Add a variant for the same arguments; the oldest goes when there are too many."""
        variants.append(new)
        PLANS.put(new, self)
        if len(variants) > _MOST_VARIANTS:
            PLANS.remove(variants.pop(0))
            warn(
                f"{self.name} was compiled more than {_MOST_VARIANTS} times for arguments "
                "of the same kind: something that it reads outside (a training flag, a "
                "parameter that is exchanged, an optimizer's choices) changes all the time",
                RuntimeWarning,
            )

    def _say_kept(self, variant: Variant) -> None:
        """Say the second time that the function keeps tensors, so that it is always traced anew."""
        self._kept += 1
        if self._kept == 2:
            held = where_held(variant.capture.leaks[0].handle)
            warn(
                f"{self.name} is traced again at every call: it keeps a tensor that it makes"
                f"{held}\n  return the tensor and keep it outside: a plan cannot say where the "
                "next one goes",
                RuntimeWarning,
            )

    def evict(self, plan: Variant) -> None:
        """Drop a variant that was not used for long; a call that runs it now still ends well."""
        for variants in list(self._variants.values()):
            if plan in variants:
                variants.remove(plan)
                self.evicted += 1

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Compiled methods bind to their instance."""
        return self if instance is None else functools.partial(self, instance)

    def explain_cache(self) -> CacheReport:
        """One entry per compiled variant: what it is for, its size, what it cost."""
        found = []
        for key, variants in self._variants.items():
            arguments = describe(key[0], [f"{d.name}{list(shape)}" for shape, d, _ in key[1]])
            for v in variants:
                kernels, names = v.executable.plan.kernels, v.guarded()
                found.append(
                    CacheEntry(arguments, kernels, v.arena_bytes(), v.seconds, v.calls, names)
                )
        joining = self._joining
        plain, why = (joining.plain, joining.why) if joining else (0, "")
        return CacheReport(found, self.evicted, self.history.reasons, plain, why)

    def forget(self) -> None:
        """Drop all variants: the next call is traced like the first."""
        with self._lock:
            self._variants.clear()
            self.history = History(self.name)
            self._joining = self._joining and Joining()


def _new_locks() -> None:
    """Another thread of the parent may have held these locks; it does not exist in the child."""
    for function in list(_functions):
        function._lock = threading.RLock()
        for variant in itertools.chain(*function._variants.values()):
            variant.running = False


_functions: weakref.WeakSet[CompiledFunction] = weakref.WeakSet()


def forget_variants() -> None:
    """Drop the variants of all compiled functions."""
    for function in list(_functions):
        function.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_locks)


def _kind(leaf: Any) -> tuple[Shape, DType, bool]:
    """The properties of an array argument that a trace depends on."""
    if isinstance(leaf, Handle):
        dtype, shape = leaf.array_type
        return shape, dtype, leaf.requires_grad
    return leaf.shape, from_numpy(leaf.dtype), False


def _twice(leaves: Sequence[Any]) -> tuple[int, ...]:
    """Arguments that are the same tensor, by position: a trace treats them as one."""
    if len(leaves) < 2:
        return ()
    names = [id(leaf) for leaf in leaves]
    return () if len({*names}) == len(names) else tuple([names.index(n) for n in names])


@overload
def compile(model: F, **options: Any) -> F: ...
@overload
def compile(model: None = None, **options: Any) -> Callable[[F], F]: ...
def compile(  # type: ignore[misc]  # the overloads have one word for all options
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: Any = None,
    disable: bool = False,
    keep_grads: bool = False,
    debug: bool = False,
    check_finite: bool = False,
) -> Any:
    """Compile a function or module: what one call of it does becomes one native call.

    It is traced at the first call with arguments of new shapes, dtypes or Python values, and again
    when something that it read outside has changed: `explain_cache()` says what. What it calls –
    forward, `backward()`, an optimizer's `step()` – is part of it. Results that require grad can be
    differentiated outside: their `backward()` is a second native call.

    A compiled module is a module of the same class that shares the parameters. In a training loop
    its call is no plan of its own: it is recorded with the loss, the gradient and the update, and
    all of that is compiled. Without gradients it is one native call. What no plan can repeat – a
    random choice in `forward`, a value read – runs as Python each time. With `fullgraph` a module
    is compiled alone, always, and what cannot be traced raises. `model.forward` counts as a module.
    A plain program that repeats is compiled without it: docs/speed.md says where it still pays.

    `.grad`s that the function assigns are not kept after the step unless `keep_grads`. `debug`
    traces again before every call and raises where a Python constant has changed. With
    `check_finite` a call that would return NaN or infinity raises, and nothing is changed.
    `disable` gives the model back as it is. `dynamic`, `backend`, `mode` and `options` change
    nothing: there is one backend, and a plan for each kind of argument.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """
    del dynamic, backend, mode, options
    wrap = functools.partial(
        _compiled, keep_grads=keep_grads, debug=debug, check_finite=check_finite
    )
    joins = not (fullgraph or debug or check_finite)
    if disable:
        return (lambda fn: fn) if model is None else model

    def compiled(given: Any) -> Any:
        if is_module(given):
            return compiled_module(given, functools.partial(wrap, joins=joins))
        owner: Any = getattr(given, "__self__", None)
        return wrap(given, joins=joins and is_module(owner) and given == owner.forward)

    return compiled if model is None else compiled(model)


def _compiled(
    fn: Callable[..., Any],
    name: str | None = None,
    *,
    keep_grads: bool,
    debug: bool,
    check_finite: bool,
    joins: bool = False,
) -> CompiledFunction:
    return CompiledFunction(
        fn,
        keep_grads=keep_grads,
        debug=debug,
        check_finite=check_finite,
        name=name,
        joins=joins,
    )
