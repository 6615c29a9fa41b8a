"""SWALR: from a schedule's rate to a constant one, for averaging. Example: `SWALR(opt, 0.05)`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.base.errors import ArgumentError
from chainrule.optim.lr_base import LRScheduler
from chainrule.optim.lr_cycles import per_group
from chainrule.optim.optimizer import Optimizer


class SWALR(LRScheduler):
    """lr → swa_lr in `anneal_epochs` steps, along half a cosine or a line, and stay."""

    def __init__(
        self, optimizer: Optimizer, swa_lr: float | Sequence[float], anneal_epochs: int = 10,
        anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if anneal_strategy not in {"cos", "linear"}:
            raise ArgumentError(
                f"anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}"
            )
        if anneal_epochs < 0:
            raise ArgumentError(f"anneal_epochs must be at least 0, not {anneal_epochs}")
        groups = optimizer.param_groups
        for group, rate in zip(groups, per_group(groups, swa_lr, "swa_lr"), strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs = anneal_epochs
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: float) -> float:
        """The share of `swa_lr` in the rate after `step` steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _next(self, rate: float, base: float) -> float:
        del base
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        end = float(self.optimizer.param_groups[self._group]["swa_lr"])
        before, now = self._share(step - 1), self._share(step)
        start = end if before == 1 else (rate - before * end) / (1 - before)
        return end * now + start * (1 - now)
