"""Writing a file whole or not at all.

    >>> write_whole(Path("notes.txt"), b"all of it")

The bytes go to a temporary neighbour, to the disk, and only then to the name: a reader, a crash
or a full disk sees the old file or the new one, never half. May import `base`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o666  # what open() asks for; the user's umask takes its part away


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by a file of `data`. `OSError` leaves the old file and no temporary one."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _open_to_umask(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - the one call that is atomic everywhere
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a plain name from mkstemp
        raise


def _open_to_umask(name: str) -> None:
    """Give the file the permissions of a normal one; mkstemp makes it private."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, _MODE & ~umask)  # noqa: PTH101 - a plain name from mkstemp
