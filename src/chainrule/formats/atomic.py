"""Writing a file whole or not at all.

    >>> write_whole(Path("notes.txt"), b"all of it")

The bytes are written to a temporary neighbour, synced to the disk, and then renamed: after a crash
or with a full disk there is the old file or the new one, never half. The neighbour is locked while
it is written. A file that a killed process left has a free lock, and the next process that writes
the same name removes it; on a file system without locks it stays. May import `base`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tempfile
from pathlib import Path

from chainrule.formats.file_lock import Claim, Hold, claim

_MODE = 0o666  # as of open(), less the user's umask
_UNFINISHED = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # the names of mkstemp


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by a file of `data`. `OSError` leaves the old file and no temporary one."""
    handle, temporary, claimed = _neighbour(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _open_to_umask(temporary)
        if os.name == "nt":
            claimed.close()  # Windows does not rename open files
        os.replace(temporary, path)  # noqa: PTH105 - the one call that is atomic everywhere
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a plain name from mkstemp
        raise
    finally:
        claimed.close()
    for left in _left_earlier(path.parent.absolute()).pop(path.name, ()):
        _remove_if_free(left)


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files of ended processes in a folder."""
    for paths in _unfinished(folder).values():
        for path in paths:
            _remove_if_free(path)


def _remove_if_free(path: str) -> None:
    """Remove a file unless a living process may be writing it."""
    with contextlib.suppress(OSError), contextlib.closing(claim(path)) as claimed:
        if claimed.hold is Hold.OURS:
            os.unlink(path)  # noqa: PTH108 - a name from scandir


def _unfinished(folder: Path) -> dict[str, list[str]]:
    """The unfinished files of a folder, by their intended names."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _UNFINISHED.fullmatch(entry.name)
            if match is not None and entry.is_file():
                found.setdefault(match[1], []).append(entry.path)
    return found


# Searched once, at this process' first write into a folder: with thousands of checkpoints in one
# folder each further write would otherwise be slower.
_left_earlier = functools.lru_cache(maxsize=256)(_unfinished)


def _neighbour(path: Path) -> tuple[int, str, Claim]:
    """A new file beside `path`, claimed before another process could consider it abandoned."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        claimed = claim(temporary, make=True)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(temporary), os.fstat(handle)):  # noqa: PTH116 - a name
                return handle, temporary, claimed
        claimed.close()
        os.close(handle)


def _open_to_umask(name: str) -> None:
    """Give the file normal permissions; mkstemp makes it private."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, _MODE & ~umask)  # noqa: PTH101 - a plain name from mkstemp
