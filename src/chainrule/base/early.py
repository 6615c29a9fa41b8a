"""Ctrl-C while the `chainrule` command loads: the process ends at once, with exit code 130.

    leave_at_interrupt()    # the package's first statement

An exception would arise in the middle of an import, which shows a traceback or, worse, takes it for
its own failure. There is nothing to clean up before `main` runs, nor after it.
Imports nothing that Python has not loaded already.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found,unused-ignore]  # `signal` takes 5 ms
import os
import sys

INTERRUPTED = 130  # the shell's convention: 128 + number of the signal


def leave_at_interrupt() -> None:
    """End the process at Ctrl-C, until `main` decides; in other programs Ctrl-C stays as it is."""
    if is_command() and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _leave)


def raise_at_interrupt() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt`, as Python does."""
    if _signal.getsignal(_signal.SIGINT) is _leave:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def is_command() -> bool:
    """Whether the program is the `chainrule` command, however it was started."""
    path = sys.argv[0] if sys.argv else ""
    name = os.path.basename(path).removesuffix(".exe")  # noqa: PTH119 - pathlib costs 5 ms
    asked = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]  # before its own arguments
    return name == "chainrule" or "".join(asked[-2:]).endswith("-mchainrule")


def _leave(_number: int, _frame: object) -> None:
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(INTERRUPTED)
