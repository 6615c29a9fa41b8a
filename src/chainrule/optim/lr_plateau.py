"""ReduceLROnPlateau: a smaller rate when a metric stops improving.

Example: `schedule = ReduceLROnPlateau(optimizer, patience=3)`, then `schedule.step(loss)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.base.errors import ArgumentError, KindError
from chainrule.optim.lr_base import LRScheduler
from chainrule.optim.lr_cycles import per_group
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor.host import host_changes


class ReduceLROnPlateau(LRScheduler):
    """lr ← max(factor·lr, min_lr) after more than `patience` epochs without a better metric.

    Better is below best·(1 - threshold), with `threshold_mode` "abs" below best - threshold; with
    `mode` "max" above. After a change `cooldown` epochs are not counted. Source:
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
    """

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
        min_lr: float | Sequence[float] = 0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        if factor >= 1.0:
            raise ArgumentError(f"factor must be below 1, not {factor}")
        if mode not in {"min", "max"} or threshold_mode not in {"rel", "abs"}:
            raise ArgumentError("mode is 'min' or 'max', threshold_mode is 'rel' or 'abs'")
        if not isinstance(optimizer, Optimizer):
            raise KindError(f"a schedule needs an Optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = per_group(optimizer.param_groups, min_lr, "min_lr")
        self.default_min_lr = min_lr
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take in the metric of an epoch: a number, or a tensor of one element."""
        host_changes(self, self.optimizer)
        current = float(metrics)
        if epoch is not None:
            self._warn_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            new = max(group["lr"] * self.factor, least)
            if group["lr"] - new > self.eps:
                group["lr"] = new

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * value < sign * self.best - self.threshold
        return sign * value < sign * (self.best * (1 - sign * self.threshold))
