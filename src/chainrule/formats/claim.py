"""A file that one process holds for itself, until it lets go or ends.

    with contextlib.closing(claim(folder / ".lock")) as claimed:
        if not claimed.is_ours:
            raise CheckpointError(f"process {claimed.holder} has it")

The lock is the operating system's (`flock`, on Windows a locked byte), so it goes with the process
that held it however that ended: there is nothing stale to recognise. Where a file system has no
locks – some network disks – every claim succeeds. May import the standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from dataclasses import dataclass

_TAKEN = {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_FAR = 1 << 30  # the byte that Windows locks: behind what is in the file, which stays readable


@dataclass
class Claim:
    """An open file, and whether this process holds it."""

    descriptor: int
    is_ours: bool
    holder: str = ""  # what the process that holds it wrote

    def close(self) -> None:
        """Let go; nothing more at the second time."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


def claim(path: str | os.PathLike[str], note: str = "") -> Claim:
    """Hold a file, made if need be, unless somebody else does; `note` is left in it for others."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _TAKEN:
            return Claim(descriptor, is_ours=False, holder=_text(descriptor))
    if note:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, note.encode())
    return Claim(descriptor, is_ours=True)


def _text(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        return os.read(descriptor, 99).decode("ascii", "replace").strip()
    return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
