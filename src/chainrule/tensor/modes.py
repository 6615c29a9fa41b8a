"""Per-thread modes: whether gradients are recorded, and the trace that is being captured, if any.

Example: `with no_grad(): weight.add_(update)`.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from chainrule.tensor.deferred.recorder import Recorder
    from chainrule.tensor.trace import Trace

__all__ = ["enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]

F = TypeVar("F", bound=Callable[..., Any])
_GENERATOR = 0x20  # the flag of a generator function's code


class _Modes(threading.local):
    """The modes of the current thread."""

    def __init__(self) -> None:
        self.grad = True
        self.trace: Trace | None = None
        self.anomaly = False  # whether backward looks for NaN
        self.watch: Any = None  # a watch that finds and explains NaN and infinity in whole steps
        self.layer: Any = None  # the layer that runs, if that is tracked: see `nn/layer_path.py`
        self.defers = True  # whether what repeats may be recorded: see `recorder.at_once`
        self.records = True  # whether marks begin to record: see `recorder.unrecorded`
        self.recorder: Recorder | None = None  # of operations that are evaluated later
        self.resting: Recorder | None = None  # up to the end of the no_grad() block
        self.numpy_call = ""  # the function of NumPy that runs: it may call others on its tensors
        # Infinity and NaN are values: `quietly(fn, …)` calls without NumPy's warnings, and is
        # several times cheaper than an `np.errstate` block around each op
        self.quietly = contextvars.copy_context().run
        self.quietly(np.seterr, all="ignore")


modes = _Modes()


def _decorated(func: F, switch: Callable[[], contextlib.AbstractContextManager[Any]]) -> F:
    """`func` run in the mode; a generator is in it while it runs, not while it waits."""
    if getattr(func, "__code__", None) is None or not func.__code__.co_flags & _GENERATOR:
        made: Any = functools.wraps(func)(lambda *a, **k: _run(switch, func, *a, **k))
    else:
        made = functools.wraps(func)(lambda *a, **k: _steps(switch, func(*a, **k)))
    return made  # type: ignore[no-any-return]


def _run(switch: Callable[[], Any], func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with switch():
        return func(*args, **kwargs)


def _steps(
    switch: Callable[[], Any], generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    advance: Callable[[], Any] = functools.partial(next, generator)
    while True:
        try:
            item = _run(switch, advance)
        except StopIteration as end:
            return end.value
        try:
            sent = yield item
        except GeneratorExit:
            _run(switch, generator.close)
            raise
        except BaseException as error:  # noqa: BLE001 - the generator decides
            advance = functools.partial(generator.throw, error)
        else:
            advance = functools.partial(generator.send, sent)


def _leave(grad: bool) -> None:
    """Return to the mode of before a block."""
    modes.grad = grad
    if grad and modes.resting is not None:
        modes.recorder, modes.resting = modes.resting, None


class set_grad_enabled(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """Turn recording on or off, at once, and back at the end of a `with` block or function.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_grad_enabled.html
    """

    def __init__(self, mode: bool) -> None:
        """Switch now and remember the mode before."""
        self._before = modes.grad
        self._mode = bool(mode)
        modes.grad = self._mode

    def __call__(self, func: F) -> F:
        """As a decorator: the mode applies inside `func` only."""
        modes.grad = self._before
        return _decorated(func, self._recreate_cm)

    def _recreate_cm(self) -> set_grad_enabled:
        return type(self)(self._mode)

    def __enter__(self) -> None:
        """Already switched."""

    def __exit__(self, *exc: object) -> None:
        _leave(self._before)


class _Switch(contextlib.ContextDecorator):
    """A `with` block, or decorator, in which recording is on or off."""

    enabled: bool

    def __init__(self, orig_func: Callable[..., Any] | None = None) -> None:
        """Also usable as a bare decorator: `@no_grad`."""
        self._stack: list[bool] = []
        self._func = orig_func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate a function, or call the one decorated bare."""
        if self._func is not None:
            with type(self)():
                return self._func(*args, **kwargs)
        (func,) = args
        return _decorated(func, self._recreate_cm)

    def _recreate_cm(self) -> _Switch:
        return type(self)()

    def __enter__(self) -> None:
        self._stack.append(modes.grad)
        modes.grad = self.enabled

    def __exit__(self, *exc: object) -> None:
        _leave(self._stack.pop())


class no_grad(_Switch):  # noqa: N801 - PyTorch's name
    """A `with` block, or decorator, in which no operation is recorded."""

    enabled = False


class enable_grad(_Switch):  # noqa: N801 - PyTorch's name
    """A `with` block, or decorator, in which operations are recorded, also within `no_grad`."""

    enabled = True


class inference_mode(_Switch):  # noqa: N801 - PyTorch's name
    """The same as `no_grad`: values are never shared, so there is nothing else to skip."""

    enabled = False

    def __init__(self, mode: bool | Callable[..., Any] = True) -> None:
        """`inference_mode(False)` records."""
        super().__init__(mode if callable(mode) else None)
        if mode is False:
            self.enabled = True

    def _recreate_cm(self) -> inference_mode:
        return type(self)(not self.enabled)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require gradients are recorded now."""
    return modes.grad


def trace_or_none() -> Trace | None:
    """The trace being captured by this thread."""
    return modes.trace
