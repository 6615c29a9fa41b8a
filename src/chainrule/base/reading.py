"""Reading a whole file of the user: endless devices are refused before they are read.

Pipes, terminals and standard input end; `/dev/zero` does not, and a disk ends beyond memory.
Example: `read_to_end(Path("book.txt"))`. Imports nothing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


class EndlessError(OSError):
    """A device in the place of a file; the caller words the message."""


def read_to_end(path: Path) -> bytes:
    """All bytes of a file or pipe; raises `EndlessError` for a device other than a terminal."""
    with open_to_end(path) as file:
        return file.read()


def open_to_end(path: Path) -> BinaryIO:
    """A file or pipe that ends, opened to read bytes; raises `EndlessError` as `read_to_end`."""
    file = path.open("rb")
    mode = os.fstat(file.fileno()).st_mode
    if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and not file.isatty():
        file.close()
        raise EndlessError(f"{path} is a device")
    return file
