"""What shows a training run: something with `show(event)` and `close()`.

    >>> listener.show(Evaluated(step=200, loss=1.7))

May import `train.events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from chainrule.train.events import Event


class Listener(Protocol):
    """Gets every event of a run in order."""

    def show(self, event: Event) -> None:
        """Show it, or not."""

    def close(self) -> None:
        """Give back what it took."""


def suggestions(folder: Path, steps: int) -> list[tuple[str, str]]:
    """(command, what it does): three things to try after a run in `folder`."""
    return [
        (f"chainrule generate {folder} --length 1000", "let it write more"),
        (f"chainrule train --resume {folder} --steps {2 * steps}", "train it twice as long"),
        ("chainrule train --data FILE", "teach it a text of yours"),
    ]
