"""The events of a training run; a listener decides which to show.

    >>> Evaluated(step=200, scores={"loss": 1.7}).loss
    1.7

May import `train.config`, `train.job` and `train.monitor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.train.config import Settings
from chainrule.train.job import Baseline, Job, Scores
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
    config: Settings
    task: str  # its name
    job: Job
    used_by: tuple[str, str]  # `Task.used_by`
    parameters: int
    step: int


@dataclass(frozen=True)
class Stepped:
    """A finished training step: mean loss in the job's unit, gradient norm before clipping."""

    step: int
    loss: float
    norm: float
    learning_rate: float
    seconds: float  # of all training steps so far, also before a resume
    tokens: int  # in all batches so far, as `Job.size` counts them


@dataclass(frozen=True)
class Evaluated:
    """Scores on held-out data."""

    step: int
    scores: Scores

    @property
    def loss(self) -> float:
        """The held-out loss, in the job's unit."""
        return self.scores["loss"]


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
    """What the model can do after this step, as text."""

    step: int
    text: str


@dataclass(frozen=True)
class Compared:
    """What a simple method scores on the same held-out data."""

    step: int
    baseline: Baseline


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
