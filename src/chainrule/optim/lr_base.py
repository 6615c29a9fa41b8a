"""`LRScheduler`: the base of all schedules. Example: see `lr_scheduler.py`. May import `optim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from chainrule.base.arguments import refuse_words
from chainrule.base.errors import KindError
from chainrule.base.source import warn
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor.host import host_changes


class LRScheduler:
    """Base class: a subclass defines `get_lr()`, or `_next(rate, base)` and `_closed(base)`."""

    _hidden: tuple[str, ...] = ("optimizer",)  # attributes that are not state
    _is_initial = False  # during the step that the constructor takes
    _group = 0  # index of the group whose rate is computed

    def __new__(cls, *args: Any, **named: Any) -> Self:
        """Refuse words in place of numbers before a subclass computes with them."""
        refuse_words(cls.__init__, (None, *args), named, cls.__name__)
        return super().__new__(cls)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        """`last_epoch` other than -1 resumes: the groups must know their "initial_lr"."""
        if not isinstance(optimizer, Optimizer):
            raise KindError(f"a schedule needs an Optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param_groups[{i}] has no 'initial_lr' to resume from")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._first_step()

    def _first_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Advance to the next rate; call it after `optimizer.step()`.

        `epoch` jumps to the rate of that epoch instead, as programs of PyTorch 1 do; it warns.
        """
        host_changes(self, self.optimizer)
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            self._write(self.get_lr())
        else:
            self._warn_epoch()
            self._jump(epoch)

    def _warn_epoch(self) -> None:
        warn(
            f"{type(self).__name__}: an epoch given to step() is deprecated in PyTorch\n"
            "  call step() once per epoch instead; it counts by itself"
        )

    def _jump(self, epoch: int) -> None:
        """Write the rates of `epoch`: in closed form if there is one."""
        self.last_epoch = epoch
        closed = type(self)._closed is not LRScheduler._closed
        self._write(self._rates(lambda _, base: self._closed(base)) if closed else self.get_lr())

    def _restart(self) -> None:
        """Continue as if epoch 0 were now."""
        self._jump(0)

    def _rewind(self) -> None:
        """Take back the step that was made at the start."""
        self.last_epoch -= 1

    def _rates(self, rate: Callable[[float, float], float]) -> list[float]:
        """`rate(current rate, base rate)` of each group."""
        out = []
        groups = self.optimizer.param_groups
        for i, (group, base) in enumerate(zip(groups, self.base_lrs, strict=True)):
            self._group = i
            out.append(rate(group["lr"], base))
        self._group = 0
        return out

    def _write(self, rates: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in groups]

    def get_lr(self) -> Sequence[float]:
        """The rates of `last_epoch`, one per group; an own schedule may define this only."""
        return self._rates(self._next)

    def get_last_lr(self) -> list[float]:
        """The rates written last, one per group."""
        return self._last_lr

    def _next(self, rate: float, base: float) -> float:
        """The rate of `last_epoch`, given the one before."""
        raise NotImplementedError

    def _closed(self, base: float) -> float:
        """The rate of `last_epoch`, given the base rate only; not every schedule has one."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The numbers of the schedule."""
        return {k: v for k, v in self.__dict__.items() if k not in self._hidden}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.__dict__.update(state_dict)
