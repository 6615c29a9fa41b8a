"""Learning-rate schedules: each `step()` writes the next rate into the optimizer's groups.

Compiled steps read the rate anew at every call, so a schedule never retraces. As in PyTorch, most
rates follow from the one before, so that schedules can be combined and rates changed by hand.
Example: `schedule = CosineAnnealingLR(optimizer, T_max=100)`, then `schedule.step()` per epoch.
Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.base.missing import missing_from
from chainrule.optim.lr_base import LRScheduler
from chainrule.optim.lr_cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from chainrule.optim.lr_plateau import ReduceLROnPlateau
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor.host import host_changes

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip

_LRScheduler = LRScheduler  # the name it had before PyTorch 2


class LambdaLR(LRScheduler):
    """base · lr_lambda(epoch); one function, or one per group."""

    _hidden = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ArgumentError(
                f"lr_lambda has {len(self.lr_lambdas)} functions for {count} parameter groups"
            )
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del rate
        return base * self.lr_lambdas[self._group](self.last_epoch)


class StepLR(LRScheduler):
    """Multiply by `gamma` every `step_size` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del base
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return rate * self.gamma if due else rate

    def _closed(self, base: float) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class ExponentialLR(LRScheduler):
    """Multiply by `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del base
        return rate if self._is_initial else rate * self.gamma

    def _closed(self, base: float) -> float:
        return base * self.gamma**self.last_epoch


class ConstantLR(LRScheduler):
    """base · factor for `total_iters` epochs, then base."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not 0 <= factor <= 1:
            raise ArgumentError(f"factor must lie between 0 and 1, not {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del base
        if self.last_epoch == 0:
            return rate * self.factor
        return rate * (1.0 / self.factor) if self.last_epoch == self.total_iters else rate

    def _closed(self, base: float) -> float:
        return base * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor))


class LinearLR(LRScheduler):
    """From base · start_factor to base · end_factor in `total_iters` equal steps."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0,
        total_iters: int = 5, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not 0 < start_factor <= 1:
            raise ArgumentError(f"start_factor must lie in (0, 1], not {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ArgumentError(f"end_factor must lie between 0 and 1, not {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        if self.last_epoch == 0:
            return rate * self.start_factor
        if self._is_initial:  # resumed: the groups' rate may be that of any epoch
            return self._closed(base)
        if self.last_epoch > self.total_iters:
            return rate
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return rate * (1.0 + rise / before)

    def _closed(self, base: float) -> float:
        rise = self.end_factor - self.start_factor
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (self.start_factor + rise * done)


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min)·(1 + cos(π·epoch / T_max)) / 2.

    Source: Loshchilov & Hutter, SGDR (2017), eq. 5.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        if self._is_initial and self.last_epoch == 0:
            return rate
        if self._step_count == 1 and self.last_epoch > 0:
            return self._closed(base)
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
            return rate + rise
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return now / before * (rate - self.eta_min) + self.eta_min

    def _closed(self, base: float) -> float:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (base - self.eta_min) * height


class _Composed(LRScheduler):
    """Several schedules as one."""

    _hidden = ("optimizer", "_schedulers")
    _schedulers: list[LRScheduler]

    def _hold(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
        if any(s.optimizer is not optimizer for s in schedulers):
            raise ArgumentError("all schedules must belong to the same optimizer")
        self.optimizer = optimizer
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """The numbers of this schedule and of its parts."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        own = dict(state_dict)
        for schedule, state in zip(self._schedulers, own.pop("_schedulers"), strict=True):
            schedule.load_state_dict(state)
        super().load_state_dict(own)


class SequentialLR(_Composed):
    """One schedule after the other: the next begins at each of `milestones`."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"{len(schedulers)} schedules need {max(len(schedulers) - 1, 0)} milestones, "
                f"not {len(milestones)}"
            )
        self._hold(schedulers, optimizer)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for schedule in schedulers:  # undo the step that each took when it was made
            schedule._rewind()
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._first_step()
        self._last_lr = first.get_last_lr()

    def _rewind(self) -> None:
        for schedule in self._schedulers:
            schedule._rewind()

    def _first_step(self) -> None:
        self.step()

    def _restart(self) -> None:
        self.last_epoch = 0
        self._schedulers[0]._restart()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # PyTorch's takes no epoch either
        """Advance the present schedule to its next rate."""
        host_changes(self, self.optimizer)
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            schedule._restart()
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()


class MultiplicativeLR(LambdaLR):
    """Multiply by lr_lambda(epoch) every epoch; one function, or one per group."""

    def _next(self, rate: float, base: float) -> float:
        del base
        return rate if self._is_initial else rate * self.lr_lambdas[self._group](self.last_epoch)


class MultiStepLR(LRScheduler):
    """Multiply by `gamma` at each of the epochs `milestones`."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        self.milestones = sorted(check_whole("milestones", each) for each in milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del base
        return float(rate * self.gamma ** self.milestones.count(self.last_epoch))

    def _closed(self, base: float) -> float:
        return float(base * self.gamma ** bisect_right(self.milestones, self.last_epoch))


class PolynomialLR(LRScheduler):
    """base · (1 - epoch / total_iters)^power, 0 from `total_iters` on."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        if self._is_initial and self.last_epoch > 0:  # resumed, as in LinearLR
            return self._closed(base)
        if self._is_initial or self.last_epoch > self.total_iters:
            return rate
        now = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return float(rate * (now / before) ** self.power)

    def _closed(self, base: float) -> float:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return float(base * (1.0 - done) ** self.power)


class ChainedScheduler(_Composed):
    """Several schedules at once: each changes the rate that the one before has written."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise ArgumentError("ChainedScheduler needs at least one schedule")
        self._hold(schedulers, optimizer or schedulers[0].optimizer)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:  # type: ignore[override]  # PyTorch's takes no epoch either
        """Take a step of each schedule."""
        host_changes(self, self.optimizer)
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
