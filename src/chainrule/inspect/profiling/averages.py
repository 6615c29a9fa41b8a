"""Sums by operation under PyTorch's names: what `key_averages()` of a profiler returns.

    averages(profile).table(sort_by="self_cpu_time_total", row_limit=10)

Times are microseconds. The ops of backward have names of their own. May import this folder's
`rows` and `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.base.errors import ArgumentError
from chainrule.inspect.profiling.marks import Stretch
from chainrule.inspect.profiling.rows import Row
from chainrule.inspect.profiling.tables import bytes_text, duration, numbers, percent

_HEAD = ("self CPU %", "self CPU", "CPU total", "CPU average", "CPU memory", "calls")


@dataclass
class FunctionEventAvg:
    """An op, or a stretch named by `record_function`, with its sums.

    `cpu_memory_usage` is the bytes of the results that were made.
    Source: https://docs.pytorch.org/docs/stable/profiler.html
    """

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    cpu_memory_usage: int = 0

    @property
    def cpu_time(self) -> float:
        """Microseconds of a call, on average."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def self_cpu_memory_usage(self) -> int:
        """The same as `cpu_memory_usage`: an op calls no other."""
        return self.cpu_memory_usage


class EventList(list[FunctionEventAvg]):
    """The sums, the longest first."""

    def table(
        self, sort_by: str | None = None, row_limit: int = 100,
        max_src_column_width: int = 75, max_name_column_width: int = 55,
        max_shapes_column_width: int = 80, header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:  # fmt: skip
        """A table, sorted by an attribute of the sums; those of a GPU are 0 here.

        Source: https://docs.pytorch.org/docs/stable/profiler.html
        """
        del max_src_column_width, max_shapes_column_width, top_level_events_only  # none are shown
        events: Iterable[FunctionEventAvg] = self
        if sort_by is not None and not sort_by.removeprefix("self_").startswith(_ELSEWHERE):
            if sort_by not in _SORTED_BY:
                raise ArgumentError(
                    f"sort_by={sort_by!r} is not one of {', '.join(sorted(_SORTED_BY))}"
                )
            events = sorted(self, key=lambda each: -getattr(each, sort_by))
        shown = [*events][: row_limit if row_limit >= 0 else None]
        whole = sum(each.self_cpu_time_total for each in self)
        cells = [_cells(each, whole) for each in shown]
        labels = [_short(each.key, max_name_column_width) for each in shown]
        lines = numbers("name", _HEAD, labels, cells)
        total = f"self CPU time total: {duration(whole / 1e6)}"
        return "\n".join([*([header] if header else []), lines, total])

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        total = FunctionEventAvg("Total")
        for each in self:
            total.count += each.count
            total.self_cpu_time_total += each.self_cpu_time_total
            total.cpu_time_total += each.self_cpu_time_total
            total.cpu_memory_usage += each.cpu_memory_usage
        return total


_ELSEWHERE = ("cuda_", "device_", "xpu_")
_SORTED_BY = frozenset(
    {
        "count", "cpu_time", "cpu_time_total", "self_cpu_time_total", "cpu_memory_usage",
        "self_cpu_memory_usage",
    }
)  # fmt: skip


def averages(rows: Sequence[Row], stretches: Mapping[str, Stretch]) -> EventList:
    """Sums of rows by op, and the named stretches; Python's time outside of them is no event."""
    found: dict[str, FunctionEventAvg] = {}
    for row in rows:
        if row.phase == "python":
            continue
        key = f"{row.name} (backward)" if row.phase == "backward" else row.name
        event = found.setdefault(key, FunctionEventAvg(key))
        event.count += round(row.calls)
        event.cpu_time_total += 1e6 * row.seconds
        event.self_cpu_time_total += 1e6 * row.seconds
        event.cpu_memory_usage += round(row.size)
    for name, (seconds, calls, python) in stretches.items():
        event = found.setdefault(name, FunctionEventAvg(name))
        event.count += calls
        event.cpu_time_total += 1e6 * seconds
        event.self_cpu_time_total += 1e6 * python
    return EventList(sorted(found.values(), key=lambda each: -each.cpu_time_total))


def _cells(each: FunctionEventAvg, whole: float) -> list[str]:
    return [
        percent(each.self_cpu_time_total, whole),
        duration(each.self_cpu_time_total / 1e6),
        duration(each.cpu_time_total / 1e6),
        duration(each.cpu_time / 1e6),
        bytes_text(each.cpu_memory_usage),
        f"{each.count:,}",
    ]


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
