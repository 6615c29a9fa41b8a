"""A profile as a time line in Chrome's trace format: layers, operations, kernels, compiling.

    {"traceEvents": [{"name": "matmul", "ph": "X", "ts": 12.0, "dur": 3.5, "cat": "forward", …}]}

Times are microseconds since the profile began. Kernels are drawn inside their native run, in their
order. Source: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
May import this folder's `observer` and `kernels`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.compiler.runtime.program import Program
from chainrule.inspect.profiling.contexts import Late
from chainrule.inspect.profiling.kernels import group_times
from chainrule.inspect.profiling.ledger import Event
from chainrule.inspect.profiling.observer import Observer
from chainrule.nn.layer_path import Layer


def trace_events(observers: Sequence[Observer]) -> dict[str, Any]:
    """The object that the file holds."""
    process = os.getpid()
    found: list[dict[str, Any]] = []
    dropped = sum(observer.dropped for observer in observers)
    for observer in observers:
        names = {"pid": process, "tid": observer.thread}
        found.append({**names, "ph": "M", "name": "process_name", "args": {"name": "chainrule"}})
        begun = observers[0].start
        events = map(Event._make, observer.events)
        for event in sorted(events, key=lambda each: (each.start, -each.end)):
            for made in _drawn(event, observer):
                made["ts"] = (made["ts"] - begun) / 1e3
                made["dur"] /= 1e3
                found.append({**made, **names, "ph": "X"})
    return {
        "traceEvents": found,
        "displayTimeUnit": "ms",
        "otherData": {"made by": "chainrule", "events left out": dropped},
    }


def _drawn(event: Event, observer: Observer) -> Iterator[dict[str, Any]]:
    what, length = event.what, event.end - event.start
    source = event.context.source
    layer = event.context.layer
    if isinstance(what, Late):
        name = f"pull back {what.op}" if what.phase == "backward" else what.op
    elif isinstance(what, Layer):
        name = layer = what.path
    elif isinstance(what, Program):
        name = "native call"
    else:
        name = what if isinstance(what, str) else observer.names[what]
    arguments = {"line": "" if source is None else str(source), "layer": layer}
    drawn = {"name": name, "cat": event.phase, "ts": event.start, "dur": length, "args": arguments}
    yield drawn
    if isinstance(what, Program) and event.ticks is not None:
        at = float(event.start)
        for ops, part in group_times(what, event.ticks.tolist()):
            yield {
                "name": ops, "cat": "kernel", "ts": at, "dur": part * length, "args": arguments,
            }  # fmt: skip
            at += part * length
