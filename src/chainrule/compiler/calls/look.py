"""A look at a function: its trace, what the trace read of Python's state, and what it did to it.

The first look makes a plan. A second one, at the second call, tells whether the two agree: what
differs between two looks in a row – random numbers, clocks, counters – no plan can hold.
Example: `seen = look(fn, args, kwargs, keep_grads=False)`; `differences(first, seen)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from chainrule.base.source import Source
from chainrule.compiler.calls.retrace import changed_constant
from chainrule.compiler.guards.guards import Guards, same
from chainrule.compiler.guards.places import Mark
from chainrule.compiler.guards.watch import Effect, Watch
from chainrule.compiler.runtime.heap import no_collections
from chainrule.compiler.trace.capture import Capture, capture, held_outside
from chainrule.tensor.handle import Handle
from chainrule.tensor.trace import Trace


class Seen(NamedTuple):
    """The findings of one look."""

    capture: Capture
    guards: Guards  # what its frames read
    noted: Guards  # what layers told the trace
    effects: tuple[Effect, ...]  # what happens while it is traced, and not when the plan runs
    counts: tuple[Effect, ...]  # likewise, what changes of Python's state
    written: frozenset[Mark]  # what it read and then changed itself


def look(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    keep_grads: bool,
    ignored: Collection[Mark] = (),
) -> Seen:
    """Trace a call; places that are `ignored` are not guarded."""
    outside: dict[int, Handle] = {}
    while True:
        trace, watch = Trace(), Watch()
        watch.start(fn, args, kwargs)
        with no_collections():  # what the collector calls is not part of the function
            found = capture(
                fn, args, kwargs, keep_grads=keep_grads, trace=trace, watch=watch, outside=outside
            )
        met = held_outside(found, args, kwargs, outside)
        if met.keys() == outside.keys():
            break
        outside = met
    reads = watch.reads
    written = [s.mark for s in reads.slots.values() if not same(s.value, s.now())]
    written += [c.mark for c in reads.contents.values() if not same(c.held, c.now())]
    counts = [Effect(f"{label} changes", source) for label, source in written]
    return Seen(
        found,
        Guards.of_frames(reads, trace, ignored),
        Guards.of_trace(trace),
        (*watch.effects, *(Effect(what, source) for what, source in reads.unseen)),
        tuple(counts),
        frozenset(written),
    )


def differences(first: Seen, second: Seen) -> list[str]:
    """Each thing that a plan cannot repeat, with its line."""
    found = [f"{e.what}{_at(e.source)}" for e in (*second.effects, *second.counts)]
    changed = changed_constant(first.capture, second.capture)
    if changed is not None:
        found.insert(0, changed)
    return list(dict.fromkeys(found))


def _at(source: Source | None) -> str:
    return f" at {source.quoted}" if source else ""
