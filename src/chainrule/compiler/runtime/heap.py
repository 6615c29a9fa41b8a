"""Freed memory goes back to the operating system, where the C library can do that.

Initial values leave freed pages behind that the heap would otherwise keep for the life of the
process, next to all that is about to be made. Standard library only. Example: `trim_heap()`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import sys
from collections.abc import Callable, Iterator


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; None with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Python's cycle collector waits: making a plan makes many objects, and hardly any garbage.

    Afterwards they count as old, or else it would look at all of them at once, twice or thrice.
    """
    before = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if before:
            if not gc.get_freeze_count():  # what the program froze stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def trim_heap() -> None:
    """Give freed memory back; takes some milliseconds at most, and changes nothing else."""
    trim = _trim()
    if trim is not None:
        trim(0)
