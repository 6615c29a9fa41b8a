"""A training run in memory: model, optimiser, batches, and how far it is.

    >>> session = begin(config, model, letters, codes)
    >>> session.progress.step
    0

May import `text`, `nn`, `optim` and what lies below.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chainrule import nn, optim
from chainrule.text.batches import RandomWindows
from chainrule.text.corpus import split
from chainrule.train.steps import Steps, judge, predict
from chainrule.train.warmup_cosine import WarmupCosine

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from chainrule.optim import Optimizer
    from chainrule.text.characters import Characters
    from chainrule.train.config import Config
    from chainrule.train.monitor import Watch

_WARMUP_SHARE = 5  # of a short run, no more than a fifth is spent rising


@dataclass
class Progress:
    """How far a run is; -1 stands for "not yet"."""

    step: int = 0
    evaluated: int = -1  # step of the newest evaluation
    sampled: int = -1
    held_out: float | None = None  # the newest held-out loss
    seconds: float = 0.0  # spent on training steps
    records: int = 0  # lines of the diary that belong to it


@dataclass
class Session:
    """Everything that a step changes, and what it needs for it."""

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
    fingerprint: str  # of the text: resuming on another one would not be the same run
    progress: Progress
    watch: Watch | None = None  # looks at gradients, updates and activations
    explain: Callable[..., Any] | None = None  # says where a NaN comes from: `inspect.why_nan`
    said: set[str] = field(default_factory=set)  # verdicts that were given


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
        losses=judge(model, eager=config.eager),
        logits=predict(model, eager=config.eager),
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
    """AdamW that lets only matrices decay: shrinking biases and norms helps nobody."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in parameters if p.dim() > 1],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2))
