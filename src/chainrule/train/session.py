"""A training run in memory: a job, its optimiser and its progress.

    >>> session = begin(config, job)
    >>> session.progress.step
    0

May import `train`, `nn`, `optim` and what lies below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.optim import Optimizer
from chainrule.train.config import Settings
from chainrule.train.job import Job, Scores
from chainrule.train.monitor import Monitor
from chainrule.train.steps import Steps
from chainrule.train.warmup_cosine import WarmupCosine

_WARMUP_SHARE = 5  # warm-up takes at most a fifth of a run


@dataclass
class Progress:
    """The progress of a run; -1 means "not yet"."""

    step: int = 0
    evaluated: int = -1  # step of the newest evaluation
    sampled: int = -1
    scores: dict[str, float] = field(default_factory=dict)  # the newest, on held-out data
    best: dict[str, float] = field(default_factory=dict)  # the scores that were judged best
    best_step: int = -1
    waited: int = 0  # evaluations since then
    tokens: int = 0  # in all batches so far, as `Job.size` counts them
    seconds: float = 0.0  # spent on training steps
    records: int = 0  # lines of the log


@dataclass
class Session:
    """Everything that a step reads or changes."""

    config: Settings
    task: str  # its name
    job: Job
    optimizer: Optimizer
    steps: Steps
    rate: WarmupCosine
    progress: Progress = field(default_factory=Progress)
    watch: Monitor | None = None  # of gradients, updates and activations
    explain: Callable[..., Any] | None = None  # finds the origin of a NaN: `inspect.why_nan`
    said: set[str] = field(default_factory=set)  # kinds of reported verdicts

    @property
    def is_over(self) -> bool:
        """Whether the last step is done, or `patience` has run out."""
        patience = self.config.patience
        waited_enough = bool(patience) and self.progress.waited >= patience
        return self.progress.step >= self.config.steps or waited_enough

    @property
    def kept(self) -> dict[str, float]:
        """The scores of the weights that are kept."""
        best = self.config.keep == "best" and self.progress.best_step >= 0
        return self.progress.best if best else self.progress.scores

    def judge(self, scores: Scores) -> bool:
        """Note the scores after this step; whether they are the best so far.

        Of two with the same deciding score, the one with the smaller loss is better.
        """
        progress, best = self.progress, self.progress.best
        rank = self._rank(scores)
        better = all(map(math.isfinite, rank)) and (not best or rank > self._rank(best))
        progress.evaluated, progress.scores = progress.step, dict(scores)
        progress.waited = 0 if better else progress.waited + 1
        if better:
            progress.best, progress.best_step = dict(scores), progress.step
        return better

    def _rank(self, scores: Scores) -> tuple[float, float]:
        """The larger, the better."""
        score = scores[self.job.judged_by]
        return score if self.job.more_is_better else -score, -scores["loss"]

    @property
    def parameters(self) -> int:
        """The number of the model's parameters."""
        return sum(parameter.numel() for parameter in self.job.model.parameters())


def begin(config: Settings, task: str, job: Job) -> Session:
    """A run of `job` at step 0."""
    optimizer = job.optimizer(config)
    warmup = min(config.warmup, config.steps // _WARMUP_SHARE)
    return Session(
        config=config,
        task=task,
        job=job,
        optimizer=optimizer,
        steps=Steps(job, optimizer, config.clip, eager=config.eager),
        rate=WarmupCosine(config.learning_rate, warmup, config.steps, config.decay_to),
    )
