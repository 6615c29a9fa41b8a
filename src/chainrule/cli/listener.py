"""The interface of what displays a training run: `show(event)` and `close()`.

    >>> listener.show(Evaluated(step=200, scores={"loss": 1.7}))

May import `train.events`.
"""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chainrule.train.events import Began, Event, Stopped
    from chainrule.train.job import Scores


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


def way_on(began: Began) -> str:
    """The command that resumes a run; without its standard input, one that starts from it."""
    run = shlex.quote(str(began.folder))
    how = f"--from {run} FILE" if began.config.reads_stdin else f"--resume {run}"
    return f"chainrule train {how}"


def suggestions(began: Began, steps: int) -> list[tuple[str, str]]:
    """Three commands to try after a run, each with what it does."""
    command, purpose = began.used_by
    longer = (f"{way_on(began)} --steps {2 * steps}", "train it twice as long")
    if steps < began.config.steps:  # its patience ran out
        longer = (f"chainrule train --from {shlex.quote(str(began.folder))}", "go on in a new run")
    return [
        (f"chainrule {command.format(run=shlex.quote(str(began.folder)))}", purpose),
        longer,
        (f"chainrule train {began.task} FILE", "teach it data of yours"),
    ]


def ending(began: Began, result: Mapping[str, Any]) -> str:
    """What a run ended with: why before its last step, and the scores of the model it kept."""
    prefix = "held_out_"
    scores = {k.removeprefix(prefix): v for k, v in result.items() if k.startswith(prefix)}
    said = shown({name: score for name, score in scores.items() if score is not None})
    if result["steps"] < began.config.steps:
        waited = f"{began.config.patience} validations without a better one"
        said += f"; ended after step {result['steps']}, {waited}"
    if "kept_step" in result:
        said += f"; the weights of step {result['kept_step']} are kept"
    return said


def shown(scores: Scores) -> str:
    """`loss 0.0812  accuracy 0.9814`: scores in one line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
