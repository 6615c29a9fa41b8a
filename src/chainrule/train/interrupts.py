"""Ctrl-C, SIGTERM and a closed terminal as a wish that the loop grants between two steps.

    >>> with Interrupts() as interrupts:
    ...     while not interrupts.wanted():
    ...         work()

A second signal no longer waits: it raises `KeyboardInterrupt` where the program stands. Of a
terminal that closes, shell and kernel both tell: SIGHUP is never a second signal, and under
`nohup`, which ignores it, none at all. May import the standard library only.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *filter(None, [_HANG_UP]))


class Interrupts:
    """While in use, the first signal is remembered and the second aborts at once."""

    def __init__(self) -> None:
        """Nothing is changed before the `with` block; other threads than the main one: never."""
        self.signal: int | None = None
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def wanted(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked or self.signal is not None

    def stop(self) -> None:
        """Wish for it without a signal."""
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
