"""The warnings of some steps. Example: `said(step, times=3) == []`."""

from __future__ import annotations

import warnings


def said(step, *args, times=1):
    """The warnings that some steps give."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(times):
            step(*args)
    return [str(w.message) for w in found]
