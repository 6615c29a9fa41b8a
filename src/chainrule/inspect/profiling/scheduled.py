"""PyTorch's profiler: `profile` with a schedule of steps, as scripts use `torch.profiler`.

    with profile(schedule=schedule(wait=1, warmup=1, active=3), on_trace_ready=handler) as p:
        for batch in batches:
            step(batch)
            p.step()

It measures as `cr.profile` does. May import this folder's `session`, `averages` and `marks`.
Source: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Collection
from contextlib import ContextDecorator
from pathlib import Path
from types import FrameType
from typing import Any, Self

from chainrule.base.errors import ArgumentError
from chainrule.base.source import warn
from chainrule.inspect.profiling import session
from chainrule.inspect.profiling.averages import EventList, averages

__all__ = [
    "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "schedule",
    "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What may be measured; here it is the CPU's work, whatever is asked for."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4


class ProfilerAction(enum.Enum):
    """What a profiler does in a step; in WARMUP it measures nothing."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: that library of PyTorch's is not used."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """Actions by step: after `skip_first` steps, cycles of `wait`, `warmup` and `active` ones.

    There are `repeat` cycles, or without end; `skip_first_wait` leaves out the first `wait`.
    Source: https://docs.pytorch.org/docs/stable/profiler.html#torch.profiler.schedule
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise ArgumentError(
            f"schedule(wait={wait}, warmup={warmup}, active={active}, repeat={repeat}, "
            f"skip_first={skip_first}): active must be 1 at least, and the others 0"
        )
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        at = step - skip_first + (wait if skip_first_wait else 0)
        if repeat and at >= repeat * cycle:
            return ProfilerAction.NONE
        at %= cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """An `on_trace_ready` that writes each cycle's time line to a file of its own in `dir_name`.

    Source: https://docs.pytorch.org/docs/stable/profiler.html#torch.profiler.tensorboard_trace_handler
    """
    import os
    import socket
    import time

    def write(found: profile) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json"
        found.export_chrome_trace(folder / (f"{name}.gz" if use_gzip else name))

    return write


class profile(ContextDecorator):  # noqa: N801 - PyTorch's name
    """Measure the steps that a schedule chooses, or all of a `with` block.

    Lines, layers and bytes are always recorded, so that `with_stack`, `with_modules` and
    `profile_memory` change nothing. Shapes and flops are not: asking for them warns.
    Source: https://docs.pytorch.org/docs/stable/profiler.html#torch.profiler.profile
    """

    def __init__(
        self, *, activities: Collection[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None, record_shapes: bool = False,
        profile_memory: bool = False, with_stack: bool = False, with_flops: bool = False,
        with_modules: bool = False, acc_events: bool = False, use_cuda: bool | None = None,
    ) -> None:  # fmt: skip
        """With `acc_events` the cycles of a schedule add up; else each begins anew."""
        del activities, profile_memory, with_stack, with_modules, use_cuda  # all, on the CPU
        if record_shapes or with_flops:
            warn("a profile does not record the shapes of operands, and counts no flops")
        self._schedule, self._ready, self._adds = schedule, on_trace_ready, acc_events
        self._measured = session.profile()
        self.step_num = 0
        self.current_action = self._action()

    def _action(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self._schedule is None else self._schedule(self.step_num)

    def __enter__(self) -> Self:
        """Begin with step 0."""
        self._resume(sys._getframe(1))  # noqa: SLF001 - contexts begin at the calling frame
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with step 0, as a `with` block does."""
        self._resume(sys._getframe(1))  # noqa: SLF001

    def stop(self) -> None:
        """End, and hand over what the last cycle has measured."""
        if self._measured.running:
            self._save()

    def step(self) -> None:
        """The next step of the schedule begins."""
        before = self.current_action
        self.step_num += 1
        self.current_action = self._action()
        recording = self.current_action in _RECORDING
        if self._measured.running and (before is ProfilerAction.RECORD_AND_SAVE or not recording):
            self._save()
        if recording and not self._measured.running:
            self._resume(sys._getframe(1))  # noqa: SLF001

    def _resume(self, frame: FrameType) -> None:
        if self.current_action in _RECORDING:
            if not self._adds:
                self._measured = session.profile()
            self._measured.start(frame)

    def _save(self) -> None:
        self._measured.stop()
        if self._ready is not None:
            self._ready(self)

    # -- results --------------------------------------------------------------------------------

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0
    ) -> EventList:
        """Sums by op and by named stretch; by their innermost line with `group_by_stack_n`."""
        if group_by_input_shape:
            warn("a profile does not record the shapes of operands: sums are by op")
        rows = self._measured.rows
        if group_by_stack_n:
            rows = [r._replace(name=f"{r.name} at {r.source}") if r.source else r for r in rows]
        return averages(rows, self._measured.marks)

    def events(self) -> EventList:
        """The same as `key_averages()`: single calls are in the time line."""
        return self.key_averages()

    def export_chrome_trace(self, path: str | Path) -> None:
        """A time line in Chrome's trace format, compressed if the name ends with `.gz`."""
        self._measured.export_chrome_trace(path)

    def export_stacks(self, path: str | Path, metric: str = "self_cpu_time_total") -> None:
        """Lines `outer;inner;op microseconds`, which flame graph programs read."""
        if not metric.startswith("self_"):
            raise ArgumentError(f"metric={metric!r} is not self_cpu_time_total")
        self._measured.export_stacks(path)

    def write_html(self, path: str | Path) -> None:
        """A page with tables and flame graphs: see `chainrule.profile`."""
        self._measured.write_html(path)

    def __str__(self) -> str:
        """The lines and layers that took longest."""
        return str(self._measured)
