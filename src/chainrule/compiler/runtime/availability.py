"""Whether machine code can be made on this machine, and a notice where it cannot.

Example: `native_code()` decides whether a compiled function runs natively or eagerly.
"""

from __future__ import annotations

import threading

from chainrule.base.settings import settings
from chainrule.base.source import warn
from chainrule.compiler.runtime.native import refusal

_noticed = threading.Event()


def native_code() -> bool:
    """Whether machine code can be made here; says once why not."""
    if settings().no_compile:
        return False
    reason = refusal()
    if reason is None:
        return True
    if not _noticed.is_set():
        _noticed.set()
        warn(f"running eagerly: {reason}", RuntimeWarning)
    return False
