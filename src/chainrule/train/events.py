"""What a training run reports while it runs. A listener gets these and decides what to show.

    >>> Evaluated(step=200, loss=1.7).loss
    1.7

May import the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chainrule.train.config import Config
    from chainrule.train.monitor import Verdict


@dataclass(frozen=True)
class Unprotected:
    """The file system of the run has no locks: a second process is not kept out of it."""

    folder: Path

    def __str__(self) -> str:
        return (
            f"the file system of {str(self.folder)!r} has no locks: train this run in one process "
            "at a time, since a second one is not kept out"
        )


@dataclass(frozen=True)
class Began:
    """A run is set up; `step` is above 0 when it continues an earlier one."""

    folder: Path
    config: Config
    source: str  # what the text is, for people
    characters: int
    vocabulary: int
    parameters: int
    step: int


@dataclass(frozen=True)
class Stepped:
    """A training step is done: mean loss in nats a character, gradient norm before clipping."""

    step: int
    loss: float
    norm: float
    learning_rate: float
    seconds: float  # spent on training steps so far, over all parts of the run


@dataclass(frozen=True)
class Evaluated:
    """Loss in nats a character on held-out text."""

    step: int
    loss: float


@dataclass(frozen=True)
class Examined:
    """A look at gradients and updates of this step, as one line."""

    step: int
    line: str


@dataclass(frozen=True)
class Judged:
    """Something is wrong that was not said before."""

    step: int
    verdict: Verdict


@dataclass(frozen=True)
class Sampled:
    """Text the model wrote after this step."""

    step: int
    text: str


@dataclass(frozen=True)
class Compared:
    """The counting baseline on the same split; `loss` is None where `reason` says why not."""

    order: int
    loss: float | None
    reason: str = ""


@dataclass(frozen=True)
class Saved:
    """Everything needed to continue after this step is on disk."""

    step: int
    folder: Path


@dataclass(frozen=True)
class Stopped:
    """The run ended early; it is saved and can be resumed.

    `signal` is the one that asked for it, None where whoever shows the run did.
    """

    step: int
    folder: Path
    signal: int | None


@dataclass(frozen=True)
class Finished:
    """The run is complete; `result` is what `result.json` holds."""

    folder: Path
    result: dict[str, Any]
    verdicts: Sequence[Verdict] | None = None  # what is still wrong; None where nobody watched


Event = (
    Unprotected
    | Began
    | Stepped
    | Evaluated
    | Examined
    | Judged
    | Sampled
    | Compared
    | Saved
    | Stopped
    | Finished
)
