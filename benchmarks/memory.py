"""Present and peak memory of this process, in megabytes. Standard library only."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _field(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def resident() -> float:
    """Present resident memory (the peak, if the system reports only that)."""
    return _field("VmRSS") if _STATUS.exists() else peak()


def peak() -> float:
    """Highest resident memory since the start or the last `reset_peak`.

    Linux keeps it per address space; `ru_maxrss` would include the parent's before exec.
    """
    if _STATUS.exists():
        return _field("VmHWM")
    import resource

    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def reset_peak() -> None:
    """Reset the peak to the present memory, if the system can."""
    if _RESET.exists():
        _RESET.write_text("5", encoding="ascii")
