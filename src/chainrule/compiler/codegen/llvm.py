"""LLVM, for one thread at a time; a fork waits for its turn too.

A child that is born while another thread imports llvmlite, makes an engine or compiles would find
locks taken by a thread that it does not have. So whoever is about to do any of these holds `LOCK`,
which `os.fork()` takes before and gives back behind, in the parent and in the child. The lock is
re-entrant: a signal handler that compiles while its own thread does goes first. May import
nothing of the project. Example:

    with LOCK:
        triple = binding().get_default_triple()
"""

from __future__ import annotations

import importlib
import os
import threading
from typing import Any

LOCK = threading.RLock()


def binding() -> Any:
    """`llvmlite.binding`, imported at the first call; ImportError or OSError if that fails."""
    with LOCK:
        return importlib.import_module("llvmlite.binding")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )
