"""Reading a whole file of the user's: devices that never end are refused before they are read.

Pipes, terminals and standard input have an end; `/dev/zero` and disks have none, or one beyond
memory. Example: `read_to_end(Path("book.txt"))`. Imports nothing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


class EndlessError(OSError):
    """A device is named where a file is meant; whoever reads it says so in words of their own."""


def read_to_end(path: Path) -> bytes:
    """All bytes of a file or pipe; raises `EndlessError` for other devices than a terminal."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and not file.isatty():
            raise EndlessError(f"{path} is a device")
        return file.read()
