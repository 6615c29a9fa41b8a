"""The threads that help with programs: started once, asleep while there is nothing to do.

Workers are Python threads that live in the native interpreter (`serve`), without Python's lock: a
busy Python thread does not keep them from starting. They sleep on plain Python locks, which native
code can release. May import base and this folder's `arena`, `interpreter` and `layout`. Example:

    pool = workers()
    sections = pool.ready(get_num_threads())        # this thread and the workers that could start
    status = interpreter().run(pool.board, program_address, sections, 0)
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import threading
import time

import numpy as np
import numpy.typing as npt

from chainrule.base.errors import ArgumentError
from chainrule.base.settings import settings
from chainrule.compiler.runtime.arena import aligned_empty
from chainrule.compiler.runtime.encoding import BOARD_WORDS, THREAD_WORDS, Board, Thread
from chainrule.compiler.runtime.interpreter import interpreter, ticks_per_second

MAX_THREADS = 1024
_SPIN = 20e-6  # seconds a waiting thread spins before it yields its core at every turn
_WINDOW = 100e-6  # seconds a worker waits for the next program before it sleeps

_num_threads: int | None = None


def get_num_threads() -> int:
    """The number of threads a compiled step may use: `CHAINRULE_THREADS`, or the usable cores."""
    return settings().threads if _num_threads is None else _num_threads


def set_num_threads(num: int) -> None:
    """Let compiled steps, and NumPy's BLAS in eager ones, use `num` threads from now on.

    Results of compiled steps do not depend on it.
    """
    from threadpoolctl import threadpool_limits

    global _num_threads  # noqa: PLW0603 - one number per process, as in PyTorch
    if not 1 <= num <= MAX_THREADS:
        raise ArgumentError(f"set_num_threads({num!r}): expected 1 to {MAX_THREADS} threads")
    _num_threads = int(num)
    threadpool_limits(limits=int(num), user_api="blas")


def new_board(threads: int) -> npt.NDArray[np.int64]:
    """A board for up to `threads` threads, at rest."""
    board = aligned_empty(8 * (BOARD_WORDS + THREAD_WORDS * threads)).view(np.int64)
    board[:] = 0
    board[Board.SPIN] = int(_SPIN * ticks_per_second())
    board[Board.WINDOW] = int(_WINDOW * ticks_per_second())
    for word, function in ((Board.ACQUIRE, "acquire"), (Board.RELEASE, "release")):
        native = getattr(ctypes.pythonapi, f"PyThread_{function}_lock")
        board[word] = ctypes.cast(native, ctypes.c_void_p).value or 0
    return board


class Workers:
    """A board and its worker threads. One program at a time: `owner` is the one that runs."""

    def __init__(self) -> None:
        self._words = new_board(MAX_THREADS)
        self.board = self._words.ctypes.data
        self._threads: list[threading.Thread] = []
        self._owner: dict[str, object] = {}

    def claim(self, program: object) -> bool:
        """Make `program` the owner if there is none; whether it now is.

        One atomic step of the interpreter, so that an interrupt cannot leave a pool without owner
        and yet taken: whoever calls this in a `try` and `free` in its `finally` is safe.
        """
        return self._owner.setdefault("program", program) is program

    def free(self, program: object) -> None:
        """End the ownership of `program`, if it has it."""
        if self._owner.get("program") is program:
            del self._owner["program"]

    def ready(self, threads: int) -> int:
        """Start workers until there are `threads` threads with the caller; how many there are.

        For the owner alone.
        """
        if len(self._threads) + 1 < threads:
            while len(self._threads) + 1 < threads and self._start(len(self._threads) + 1):
                pass
        return min(threads, len(self._threads) + 1)

    def _start(self, number: int) -> bool:
        lock = _new_lock()
        self._words[BOARD_WORDS + number * THREAD_WORDS + Thread.LOCK] = lock
        worker = threading.Thread(
            target=interpreter().serve,
            args=(self.board, number),
            name=f"chainrule-{number}",
            daemon=True,
        )
        try:
            worker.start()
        except RuntimeError:  # the system's limit of threads, or the interpreter is shutting down
            return False
        self._threads.append(worker)
        return True

    def dismiss(self) -> None:
        """Let all workers return, and wait a second at most until they have."""
        interpreter().dismiss(self.board, len(self._threads) + 1)
        deadline = time.monotonic() + 1.0
        for worker in self._threads:
            worker.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()


def _new_lock() -> int:
    """A plain lock of Python's, taken: whoever acquires it next sleeps until it is released."""
    api = ctypes.pythonapi
    allocate = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", api))
    acquire = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(
        ("PyThread_acquire_lock", api)
    )
    lock = allocate()
    acquire(lock, 1)
    assert isinstance(lock, int)
    return lock


@functools.cache
def workers() -> Workers:
    """The workers of this process; a forked child gets its own."""
    pool = Workers()
    atexit.register(pool.dismiss)  # before Python takes memory and code away from under them
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=workers.cache_clear)
