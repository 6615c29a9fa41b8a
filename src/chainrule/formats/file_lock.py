"""A file that one process locks, until it releases it or ends.

    with contextlib.closing(claim(folder / ".lock", make=True)) as claimed:
        if claimed.hold is Hold.OTHERS:
            raise CheckpointError(f"process {claimed.holder} has it")

The lock is the operating system's (`flock`, on Windows a locked byte), which ends with its process:
no lock is stale. A file system without locks – some network disks – does not tell who holds a file:
that is a third outcome, neither a refusal nor a permission. May import the standard library only.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import sys
from dataclasses import dataclass

_TAKEN = {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_FAR = 1 << 30  # the byte that Windows locks: after the text, which stays readable


class Hold(enum.Enum):
    """The holder of a claimed file."""

    OURS = enum.auto()
    OTHERS = enum.auto()
    UNKNOWN = enum.auto()  # the file system has no locks


@dataclass
class Claim:
    """An open file and its holder."""

    descriptor: int
    hold: Hold
    holder: str = ""  # the note of another process

    def close(self) -> None:
        """Release the file; again has no effect."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


def claim(path: str | os.PathLike[str], note: str = "", *, make: bool = False) -> Claim:
    """Hold a file unless another process does; `note` is written to it for others.

    With `make` a missing file is created, else it raises `FileNotFoundError`.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= os.O_CREAT if make else 0
    descriptor = os.open(path, flags, 0o666)
    hold = Hold.OURS
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _TAKEN:
            return Claim(descriptor, Hold.OTHERS, _text(descriptor))
        hold = Hold.UNKNOWN
    if note:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, note.encode())
    return Claim(descriptor, hold)


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
