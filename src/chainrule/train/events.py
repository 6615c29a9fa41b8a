"""The events of a training run; a listener decides which to show.

    >>> Evaluated(step=200, loss=1.7).loss
    1.7

May import the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.train.config import Config
from chainrule.train.monitor import Verdict


@dataclass(frozen=True)
class Unprotected:
    """The file system of the run has no locks: a second process could train it too."""

    folder: Path

    def __str__(self) -> str:
        return (
            f"the file system of {str(self.folder)!r} has no locks: train this run in one process "
            "at a time, since nothing stops a second one"
        )


@dataclass(frozen=True)
class Began:
    """A run is set up; `step` is above 0 when it continues an earlier one."""

    folder: Path
    config: Config
    source: str  # a description of the text
    characters: int
    vocabulary: int
    parameters: int
    step: int


@dataclass(frozen=True)
class Stepped:
    """A finished training step: mean loss in nats a character, gradient norm before clipping."""

    step: int
    loss: float
    norm: float
    learning_rate: float
    seconds: float  # of all training steps so far, also before a resume


@dataclass(frozen=True)
class Evaluated:
    """Loss in nats a character on held-out text."""

    step: int
    loss: float


@dataclass(frozen=True)
class Examined:
    """Gradients and updates of this step, as one line."""

    step: int
    line: str


@dataclass(frozen=True)
class Judged:
    """A new verdict: something is wrong."""

    step: int
    verdict: Verdict


@dataclass(frozen=True)
class Sampled:
    """Text from the model after this step."""

    step: int
    text: str


@dataclass(frozen=True)
class Compared:
    """The counting baseline on the same split; without a `loss` there is a `reason`."""

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

    `signal` is the cause, None if a listener stopped the run.
    """

    step: int
    folder: Path
    signal: int | None


@dataclass(frozen=True)
class Finished:
    """The run is complete; `result` is what `result.json` holds."""

    folder: Path
    result: dict[str, Any]
    verdicts: Sequence[Verdict] | None = None  # at the end; None without a monitor


Event = (
    Unprotected | Began | Stepped | Evaluated | Examined | Judged | Sampled | Compared | Saved
    | Stopped | Finished
)  # fmt: skip
