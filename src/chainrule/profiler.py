"""PyTorch's `profiler`: `profile` with a schedule, `record_function`, time lines.

Example: `with profiler.profile() as p: step()`, then `p.key_averages().table()`. `cr.profile` shows
lines and layers of the same measurement.
Source: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.inspect.profiling.marks import record_function
from chainrule.inspect.profiling.scheduled import (
    ProfilerAction,
    ProfilerActivity,
    kineto_available,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = [
    "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function",
    "schedule", "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
