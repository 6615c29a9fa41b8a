"""The events of a run, shown as they come; the run saves and stops if they cannot be.

    code = follow(events, interrupts)

May import everything below.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from chainrule.base.errors import ChainruleError, NonFiniteError
from chainrule.cli.listener import way_on
from chainrule.cli.streams import abandon_output, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chainrule.cli.listener import Listener
    from chainrule.train.events import Event
    from chainrule.train.interrupts import Interrupts

_SIGNAL_EXIT = 128  # the shell's convention: 128 + number of the signal


def follow(events: Iterator[Event], interrupts: Interrupts) -> int:
    """Show the events of a run to its end; returns the exit code."""
    # The run must close its files even if an event cannot be shown.
    with contextlib.closing(events):  # type: ignore[type-var]
        return _shown(events, _listener(), interrupts)


def _listener() -> Listener:
    from chainrule.cli.plain import Plain
    from chainrule.cli.screen import Screen, suits

    return Screen() if suits() else Plain()


def _shown(events: Iterator[Event], listener: Listener, interrupts: Interrupts) -> int:
    """Show the events of a run; the run saves and stops when they cannot be shown."""
    from chainrule.train.events import Began, Stopped

    code, began, lost = 0, None, None
    try:
        for event in events:
            if isinstance(event, Began):
                began = event
            if isinstance(event, Stopped):
                code = 1 if event.signal is None else _SIGNAL_EXIT + event.signal
            try:
                if lost is None:
                    listener.show(event)
            except OSError as error:
                lost = error
                interrupts.stop()
    except (ChainruleError, OSError, MemoryError, KeyboardInterrupt) as error:
        if began is not None and not isinstance(error, NonFiniteError):
            error.add_note(f"  what was saved before is whole; go on with: {way_on(began)}")
        raise
    finally:
        with contextlib.suppress(OSError):
            listener.close()
    if lost is None or began is None:
        return code
    abandon_output()
    go_on = f"everything is saved; go on with: {way_on(began)}"
    state = go_on if code else f"{began.folder} is complete"
    tell(f"error: standard output cannot be written: {lost.strerror or lost}; {state}")
    return 1
