"""The most memory that the process has had. Imports the standard library only."""

from __future__ import annotations

import sys


def peak_bytes() -> int | None:
    """The peak of the resident memory since the process began; None on Windows.

    Example: `peak_bytes()` → 512_000_000.
    """
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
