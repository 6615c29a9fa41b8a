"""Profile a program that another function runs, and write what was found.

    with profiled("train.py", page=Path("train.profile.html"), trace=None, tell=print):
        run_script("train.py", [])

Whatever ends the block, the profile is written, and the end passes through unchanged. May import
everything below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chainrule.base.errors import ConfigError


def check_writable(path: Path) -> None:
    """Raise `ConfigError` unless a file can be written there."""
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"the profile cannot be written to {path}: there is no folder {folder}")
    if path.is_dir():
        raise ConfigError(f"the profile cannot be written to {path}: that is a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"the profile cannot be written to {path}: writing is not permitted")


@contextmanager
def profiled(
    name: str, *, page: Path | None, trace: Path | None, tell: Callable[[str], None]
) -> Iterator[None]:
    """Measure the block; then tell the table and write the page and the trace that are wanted."""
    from chainrule.inspect.profiling.session import profile

    measured = profile()
    try:
        with measured:
            yield
    finally:
        tell(f"\nProfile of {name}\n{measured}")
        if page is not None:
            _write(page, lambda: measured.write_html(page, title=f"Profile of {name}"), tell)
        if trace is not None:
            _write(trace, lambda: measured.export_chrome_trace(trace), tell)


def _write(path: Path, write: Callable[[], None], tell: Callable[[str], None]) -> None:
    """Write a file; what prevents it is told, and does not take the place of how the block ends."""
    try:
        write()
    except OSError as error:
        tell(f"error: the profile was not written to {path}: {error.strerror or error}")
    else:
        tell(f"wrote {path}")
