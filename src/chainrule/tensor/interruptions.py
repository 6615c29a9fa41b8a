"""Signal handlers run outside of the trace that they interrupt.

Python calls a handler between two instructions of the main thread, also while that thread traces.
The handler's operations are not part of the traced function: they must neither enter the graph nor
meet symbols instead of values. May import modes. Example:

    with handlers_outside():
        modes.trace = trace
        fn(*symbols)             # a handler that reads `loss.item()` gets a number
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from chainrule.tensor.modes import modes

signal: Any = importlib.import_module("_signal")  # `signal` makes an enumeration of every handler
Handler = Callable[[int, Any], Any]


@contextlib.contextmanager
def handlers_outside() -> Iterator[None]:
    """Inside the block, the program's handlers run without a trace."""
    replaced: dict[int, tuple[Handler, Handler]] = {}
    try:
        for number, handler in _handlers().items():
            outside: Handler = functools.partial(_outside, handler)
            replaced[number] = handler, outside
            signal.signal(number, outside)
        yield
    finally:
        for number, (handler, outside) in replaced.items():
            if signal.getsignal(number) is outside:  # unless the block has set another
                signal.signal(number, handler)


def _handlers() -> dict[int, Handler]:
    """The handlers written in Python, if this thread runs them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in range(1, signal.NSIG)}
    return {
        number: handler
        for number, handler in found.items()
        if callable(handler) and handler is not signal.default_int_handler
    }


def _outside(handler: Handler, number: int, frame: Any) -> Any:
    """Call the handler without a trace."""
    trace, modes.trace = modes.trace, None
    try:
        return handler(number, frame)
    finally:
        modes.trace = trace
