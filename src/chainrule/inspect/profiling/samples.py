"""A thread that looks, some hundred times a second, at the line a program runs.

Between two operations a program may read files, wait or compute in plain Python: the samples tell
in which of its lines. Example: `with sampled(thread, found.append): …`. Imports the standard
library only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERVAL = 0.002  # seconds between two samples; Python's lock may make it more


@contextmanager
def sampled(thread: int, note: Callable[[int, FrameType], None]) -> Iterator[None]:
    """In the block, `note(now, frame)` is called with the innermost frame of the thread."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_INTERVAL):
            frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
            if frame is not None:
                note(time.perf_counter_ns(), frame)
            del frame  # or its variables live on

    sampler = threading.Thread(target=look, name="chainrule-profile", daemon=True)
    sampler.start()
    try:
        yield
    finally:
        done.set()
        sampler.join()
