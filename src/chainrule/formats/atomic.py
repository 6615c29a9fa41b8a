"""Writing a file whole or not at all.

    >>> write_whole(Path("notes.txt"), b"all of it")

The bytes go to a temporary neighbour, to the disk, and only then to the name: a reader, a crash
or a full disk sees the old file or the new one, never half. The neighbour is locked while somebody
writes it, so what a killed process left is known by its lock being free, and the next write to the
name removes it. May import `base`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from typing import TYPE_CHECKING

from chainrule.formats.claim import Claim, claim

if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o666  # what open() asks for; the user's umask takes its part away
_UNFINISHED = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # the name of the file, as mkstemp changes it


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
            claimed.close()  # Windows does not rename what is open
        os.replace(temporary, path)  # noqa: PTH105 - the one call that is atomic everywhere
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a plain name from mkstemp
        raise
    finally:
        claimed.close()
    remove_abandoned(path.parent, path.name)


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove what processes that are gone left of unfinished files: of `name`, or of any."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _UNFINISHED.fullmatch(entry.name)
            if found is None or name not in {None, found[1]} or not entry.is_file():
                continue
            with contextlib.suppress(OSError), contextlib.closing(claim(entry.path)) as claimed:
                if claimed.is_ours:
                    os.unlink(entry.path)  # noqa: PTH108 - a name from scandir


def _neighbour(path: Path) -> tuple[int, str, Claim]:
    """A new file beside `path` that is claimed before anybody could take it for abandoned."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        claimed = claim(temporary)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(temporary), os.fstat(handle)):  # noqa: PTH116 - a name
                return handle, temporary, claimed
        claimed.close()
        os.close(handle)


def _open_to_umask(name: str) -> None:
    """Give the file the permissions of a normal one; mkstemp makes it private."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, _MODE & ~umask)  # noqa: PTH101 - a plain name from mkstemp
