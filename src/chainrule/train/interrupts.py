"""Ctrl-C, SIGTERM and a closed terminal as requests that the loop grants between two steps.

    >>> with Interrupts() as interrupts:
    ...     while not interrupts.wanted():
    ...         work()

A second signal raises `KeyboardInterrupt` at once. Shell and kernel both signal a closed terminal:
SIGHUP is never a second signal, and under `nohup`, which ignores it, none at all. May import the
standard library only.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *filter(None, [_HANG_UP]))


class Interrupts:
    """A context in which the first signal is a request and the second aborts at once."""

    def __init__(self) -> None:
        """Handlers are set in the `with` block, and in the main thread only."""
        self.signal: int | None = None
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def wanted(self) -> bool:
        """Whether a stop is requested."""
        return self._asked or self.signal is not None

    def stop(self) -> None:
        """Request a stop without a signal."""
        self._asked = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                if name != _HANG_UP or signal.getsignal(name) is not signal.SIG_IGN:
                    self._before[name] = signal.signal(name, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)
        self._before = {}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if not self.wanted():
            self.signal = number
        elif number != _HANG_UP:
            raise KeyboardInterrupt
