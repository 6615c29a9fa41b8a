"""The interface of what displays a training run: `show(event)` and `close()`.

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
    """A receiver of every event of a run, in order."""

    def show(self, event: Event) -> None:
        """Show the event, if it is of interest."""

    def close(self) -> None:
        """Release the output."""


def stopped_by(event: Stopped) -> str:
    """`Stopped by SIGTERM after step 40; …`, without the command that resumes."""
    cause = "" if event.signal is None else f" by {signal.Signals(event.signal).name}"
    return f"Stopped{cause} after step {event.step:,}; everything is saved. Go on with"


def way_on(folder: Path) -> str:
    """The command that resumes a run, quoted for a shell."""
    return f"chainrule train --resume {shlex.quote(str(folder))}"


def suggestions(folder: Path, steps: int) -> list[tuple[str, str]]:
    """Three commands to try after a run in `folder`, each with what it does."""
    return [
        (f"chainrule generate {shlex.quote(str(folder))} --length 1000", "let it write more"),
        (f"{way_on(folder)} --steps {2 * steps}", "train it twice as long"),
        ("chainrule train --data FILE", "teach it a text of yours"),
    ]
