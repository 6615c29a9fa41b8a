"""A training run in memory: model, optimiser, batches and progress.

    >>> session = begin(config, model, letters, codes)
    >>> session.progress.step
    0

May import `text`, `nn`, `optim` and what lies below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.optim import Optimizer
from chainrule.text.batches import RandomWindows
from chainrule.text.characters import Characters
from chainrule.text.corpus import split
from chainrule.train.config import Config
from chainrule.train.monitor import Monitor
from chainrule.train.steps import Steps, logits_of, losses_of
from chainrule.train.warmup_cosine import WarmupCosine

_WARMUP_SHARE = 5  # warm-up takes at most a fifth of a run


@dataclass
class Progress:
    """The progress of a run; -1 means "not yet"."""

    step: int = 0
    evaluated: int = -1  # step of the newest evaluation
    sampled: int = -1
    held_out: float | None = None  # the newest held-out loss
    seconds: float = 0.0  # spent on training steps
    records: int = 0  # lines of the log


@dataclass
class Session:
    """Everything that a step reads or changes."""

    config: Config
    model: nn.Module
    optimizer: Optimizer
    steps: Steps
    losses: Callable[..., NDArray[Any]]
    logits: Callable[..., NDArray[Any]]
    windows: RandomWindows
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    letters: Characters
    rate: WarmupCosine
    fingerprint: str  # of the text, which must be the same when the run is resumed
    progress: Progress
    watch: Monitor | None = None  # of gradients, updates and activations
    explain: Callable[..., Any] | None = None  # finds the origin of a NaN: `inspect.why_nan`
    said: set[str] = field(default_factory=set)  # kinds of reported verdicts


def begin(
    config: Config, model: nn.Module, letters: Characters, codes: NDArray[np.int64]
) -> Session:
    """A run at step 0 on `codes`, whose last tenth is held out."""
    training, held_out = split(codes)
    optimizer = _adamw(model, config)
    return Session(
        config=config,
        model=model,
        optimizer=optimizer,
        steps=Steps(model, optimizer, config.clip, eager=config.eager),
        losses=losses_of(model, eager=config.eager),
        logits=logits_of(model, eager=config.eager),
        windows=RandomWindows(training, config.context, config.batch, config.seed),
        training=training,
        held_out=held_out,
        letters=letters,
        rate=_schedule(config),
        fingerprint=hashlib.sha256(letters.symbols.encode() + codes.tobytes()).hexdigest(),
        progress=Progress(),
    )


def _schedule(config: Config) -> WarmupCosine:
    warmup = min(config.warmup, config.steps // _WARMUP_SHARE)
    return WarmupCosine(config.learning_rate, warmup, config.steps, config.decay_to)


def _adamw(model: nn.Module, config: Config) -> Optimizer:
    """AdamW with weight decay for matrices only, not for biases and norms."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in parameters if p.dim() > 1],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2))
