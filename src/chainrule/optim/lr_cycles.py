"""Schedules that go up and down: cyclic, one cycle, cosine with warm restarts.

Example: `OneCycleLR(optimizer, max_lr=0.1, total_steps=1000)`. Momentum moves against the rate: it
is the first of `betas`, or `momentum`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.optim.lr_base import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor.host import host_changes


class CosineAnnealingWarmRestarts(LRScheduler):
    """eta_min + (base - eta_min)·(1 + cos(π·t / T)) / 2, where t starts anew after T epochs.

    T is first `T_0` and each time `T_mult` times as long. Source: Loshchilov & Hutter, SGDR (2017).
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        _check_count("T_0", T_0)
        _check_count("T_mult", T_mult)
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        if last_epoch > 0:
            self._go_to(last_epoch)
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Advance to the next rate, or to that of `epoch`, which may be a fraction."""
        host_changes(self, self.optimizer)
        self._step_count += 1
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        self._write(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        if epoch < 0:
            raise ArgumentError(f"epoch must be at least 0, not {epoch}")
        self.T_i, self.T_cur = self.T_0, epoch
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult

    def _restart(self) -> None:
        self.step(0)

    def _next(self, rate: float, base: float) -> float:
        del rate
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return self.eta_min + (base - self.eta_min) * height


class CyclicLR(LRScheduler):
    """Triangles between base_lr and max_lr, of `step_size_up` and `step_size_down` steps.

    `mode` "triangular2" halves the height each cycle, "exp_range" multiplies it by gamma each step.
    Source: Smith, Cyclical learning rates (2017).
    """

    _hidden = ("optimizer", "_scale_fn")

    def __init__(
        self, optimizer: Optimizer, base_lr: float | Sequence[float],
        max_lr: float | Sequence[float], step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None, scale_mode: str = "cycle",
        cycle_momentum: bool = True, base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        scales: dict[str, Callable[[float], float]] = {
            "triangular": lambda _: 1.0,
            "triangular2": lambda x: 1 / 2.0 ** (x - 1),
            "exp_range": lambda x: gamma**x,
        }
        if scale_fn is None and mode not in scales:
            raise ArgumentError(f"mode must be one of {', '.join(scales)}, not {mode!r}")
        self._scale_fn = scale_fn or scales[mode]
        iterations = {"triangular": "cycle", "triangular2": "cycle", "exp_range": "iterations"}
        self.scale_mode = scale_mode if scale_fn is not None else iterations[mode]
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        groups = optimizer.param_groups
        self.max_lrs = per_group(groups, max_lr, "max_lr")
        if last_epoch == -1:
            for group, lr in zip(groups, per_group(groups, base_lr, "base_lr"), strict=True):
                group["lr"] = lr
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            check_momentum(groups)
            self.base_momentums = per_group(groups, base_momentum, "base_momentum")
            self.max_momentums = per_group(groups, max_momentum, "max_momentum")
            for group, momentum in zip(groups, self.max_momentums, strict=True):
                set_momentum(group, momentum)
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del rate
        i = self._group
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        ratio = self.step_ratio
        height = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        scale = self._scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            low, high = self.base_momentums[i], self.max_momentums[i]
            momentum = high - (high - low) * height * scale
            set_momentum(self.optimizer.param_groups[i], momentum)
        return base + (self.max_lrs[i] - base) * height * scale


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, then down to a `final_div_factor`th of the first.

    The rise takes the share `pct_start` of all steps; with `three_phase` the fall first mirrors it.
    Source: Smith & Topin, Super-convergence (2018).
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | Sequence[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: str = "cos", cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85, max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"pct_start must lie between 0 and 1, not {pct_start}")
        if anneal_strategy not in {"cos", "linear"}:
            raise ArgumentError(
                f"anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}"
            )
        self.anneal_strategy = anneal_strategy
        n = self.total_steps
        high, low = ("max_lr", "base_momentum"), ("initial_lr", "max_momentum")
        end = ("min_lr", "max_momentum")
        rise = (pct_start * n - 1, low, high)
        back = (2 * pct_start * n - 2, high, low)
        self._phases = (
            [rise, back, (n - 1, low, end)] if three_phase else [rise, (n - 1, high, end)]
        )
        groups = optimizer.param_groups
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, top in zip(groups, per_group(groups, max_lr, "max_lr"), strict=True):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            check_momentum(groups)
            if last_epoch == -1:
                lows = per_group(groups, base_momentum, "base_momentum")
                highs = per_group(groups, max_momentum, "max_momentum")
                for group, least, most in zip(groups, lows, highs, strict=True):
                    set_momentum(group, most)
                    group["max_momentum"], group["base_momentum"] = most, least
        super().__init__(optimizer, last_epoch)

    def _next(self, rate: float, base: float) -> float:
        del rate, base
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(f"step {step} comes after the cycle's {self.total_steps} steps")
        group = self.optimizer.param_groups[self._group]
        start = 0.0
        for end, first, last in self._phases:
            if step <= end or end == self._phases[-1][0]:
                done = (step - start) / (end - start)
                if self.cycle_momentum:
                    set_momentum(group, self._between(group[first[1]], group[last[1]], done))
                return self._between(group[first[0]], group[last[0]], done)
            start = end
        raise AssertionError("the last phase always answers")

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise ArgumentError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
        total_steps = epochs * steps_per_epoch
    _check_count("total_steps", total_steps)
    return total_steps


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{name} must be an integer of at least 1, not {value!r}")


def per_group(groups: Sequence[Any], value: float | Sequence[float], name: str) -> list[float]:
    """One number for each parameter group."""
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)  # type: ignore[list-item]
    if len(value) != len(groups):
        raise ArgumentError(f"{name} has {len(value)} values for {len(groups)} parameter groups")
    return list(value)


def check_momentum(groups: Sequence[Any]) -> None:
    """Raise unless every group has a momentum to move."""
    if not all("momentum" in group or "betas" in group for group in groups):
        raise ArgumentError("cycle_momentum needs an optimizer with momentum or betas")


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Write `momentum`, or the first of `betas`."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
