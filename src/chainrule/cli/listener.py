"""What shows a training run: something with `show(event)` and `close()`.

    >>> listener.show(Evaluated(step=200, loss=1.7))

May import `train.events`.
"""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from chainrule.train.events import Event, Stopped


class Listener(Protocol):
    """Gets every event of a run in order."""

    def show(self, event: Event) -> None:
        """Show it, or not."""

    def close(self) -> None:
        """Give back what it took."""


def stopped_by(event: Stopped) -> str:
    """`Stopped by SIGTERM after step 40; …`, without the command that goes on."""
    cause = "" if event.signal is None else f" by {signal.Signals(event.signal).name}"
    return f"Stopped{cause} after step {event.step:,}; everything is saved. Go on with"


def way_on(folder: Path) -> str:
    """The command that goes on with a run, as a shell reads it."""
    return f"chainrule train --resume {shlex.quote(str(folder))}"


def suggestions(folder: Path, steps: int) -> list[tuple[str, str]]:
    """(command, what it does): three things to try after a run in `folder`."""
    return [
        (f"chainrule generate {shlex.quote(str(folder))} --length 1000", "let it write more"),
        (f"{way_on(folder)} --steps {2 * steps}", "train it twice as long"),
        ("chainrule train --data FILE", "teach it a text of yours"),
    ]
