"""What a profile found, as rows that add up: by line, by layer, by operation.

    rows(observer)          # each with its phase, line, layer, operation, seconds, calls, bytes
    by_line(found)[0]       # the line on which most time was spent

May import this folder's `observer` and `kernels`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chainrule.base.source import Source, source_at
from chainrule.inspect.profiling.contexts import Context, Late
from chainrule.inspect.profiling.kernels import parts_of, shares, work_name
from chainrule.inspect.profiling.observer import Observer

By = Literal["line", "layer", "operation"]
Phase = Literal["forward", "backward", "compile", "python"]
NATIVE = "native call"  # the part of a compiled run that is in no kernel


class Row(NamedTuple):
    """Seconds of one kind of work; `context` is where the program was, `source` whose work it is.

    They differ for what runs later than its line: a backward pass, and compiled code. `estimated`:
    measured for several lines together, and divided by their work.
    """

    phase: Phase
    context: Context
    source: Source | None
    layer: str
    name: str
    seconds: float
    calls: float
    size: float
    estimated: bool = False


@dataclass
class Sum:
    """What belongs to a line, a layer or an operation: seconds by phase, bytes, calls.

    `size` are the bytes of the results that were made, of freed ones too. `estimated` seconds of
    forward and backward are divided, not measured.
    """

    name: str
    source: Source | None = None
    forward: float = 0.0
    backward: float = 0.0
    compile: float = 0.0
    python: float = 0.0
    size: float = 0.0
    calls: float = 0.0
    estimated: float = 0.0

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return self.forward + self.backward + self.compile + self.python

    def add(self, row: Row) -> None:
        """Add a row's seconds to those of its phase."""
        setattr(self, row.phase, getattr(self, row.phase) + row.seconds)
        self.size += row.size
        self.calls += row.calls
        self.estimated += row.seconds if row.estimated else 0.0


def rows(observer: Observer) -> list[Row]:
    """All that was noted; the seconds add up to the time of the profile without its own."""
    found = [row for context in observer.root.walk() for row in _of(context, observer)]
    return list(_with_layers(found))


def _of(context: Context, observer: Observer) -> Iterator[Row]:
    here = (context, context.source, context.layer)
    if context.python:
        yield Row("python", *here, "Python", context.python / 1e9, 0, 0)
    if context.compiling:
        yield Row("compile", *here, "tracing and compiling", context.compiling / 1e9, 0, 0)
    tables: tuple[tuple[Phase, dict[Callable[..., object], list[int]]], ...] = (
        ("forward", context.operations), ("backward", context.within),
    )  # fmt: skip
    for phase, table in tables:
        for compute, (time, calls, size) in table.items():
            yield Row(phase, *here, observer.names[compute], time / 1e9, calls, size)
    for late in context.late.values():
        yield from _late(context, late)
    for (program, _), runs in context.programs.items():
        for node, line, spent, size, estimated in shares(program, runs):
            name = NATIVE if node is None else work_name(node)
            if line is None:
                yield Row("forward", *here, name, spent / 1e9, 0, size, estimated)
                continue
            phase = "forward" if line is line.of else "backward"
            yield Row(
                phase, context, line.of, line.layer, name, spent / 1e9, runs.calls, size, estimated
            )


def _late(context: Context, late: Late) -> Iterator[Row]:
    """The rows of an operation that ran later than its line."""
    time, calls, size = late.tally
    own = source_at(late.location) or context.source
    if late.graph is None:
        yield Row(late.phase, context, own, late.layer, late.op, time / 1e9, calls, size)
        return
    for node, part in parts_of(late.graph):
        line = node.source or own
        if type(line) is Source and own is not None and line[:2] == own[:2]:
            line = own  # a body is recorded once, and does not know the layer
        phase: Phase = late.phase if line is None or line is line.of else "backward"
        layer = "" if line is None else line.layer
        seconds = part * time / 1e9
        yield Row(phase, context, line, layer, node.op.name, seconds, calls, part * size, True)


def _with_layers(found: Sequence[Row]) -> Iterator[Row]:
    """Rows from before the profile know no layer: they are divided between those of their line.

    The layers that ran the line forward have parts as large as their forward time; where all that
    is known is that they ran it, the parts are equal.
    """
    ran: defaultdict[tuple[str, int], defaultdict[str, float]]
    ran = defaultdict(lambda: defaultdict(float))
    for row in found:
        if row.phase in {"forward", "python"} and row.source is not None and row.layer:
            worked = row.seconds if row.phase == "forward" else 0.0
            ran[row.source.file, row.source.line][row.layer] += worked
    for row in found:
        layers = None if row.layer or row.source is None else ran.get(row.source[:2])
        if not layers or row.phase in {"python", "compile"}:
            yield row
            continue
        whole = sum(layers.values())
        parts = {name: s / whole if whole else 1 / len(layers) for name, s in layers.items()}
        parts = {name: part for name, part in parts.items() if part}
        for layer, part in parts.items():
            yield row._replace(
                layer=layer, seconds=row.seconds * part, calls=row.calls * part,
                size=row.size * part, estimated=len(parts) > 1 or row.estimated,
            )  # fmt: skip


def _summed(found: Sequence[Row], key: Callable[[Row], tuple[Hashable, str]]) -> list[Sum]:
    sums: dict[Hashable, Sum] = {}
    for row in found:
        of, name = key(row)
        known = sums.get(of)
        if known is None:
            known = sums[of] = Sum(name, row.source)
        known.add(row)
    return sorted(sums.values(), key=lambda each: -each.total)


def by_line(found: Sequence[Row]) -> list[Sum]:
    """A sum for each line of the program, the longest first."""

    def key(row: Row) -> tuple[Hashable, str]:
        if row.source is None:
            return None, "(outside of the program's lines)"
        return row.source[:2], str(row.source)

    return _summed(found, key)


def by_operation(found: Sequence[Row]) -> list[Sum]:
    """A sum for each op, the longest first."""
    return _summed(found, lambda row: (row.name, row.name))


def by_layer(found: Sequence[Row]) -> list[Sum]:
    """A sum for each layer, with the layers inside it; the longest first."""
    sums: dict[str, Sum] = {}
    for row in found:
        for path in _paths(row.layer):
            sums.setdefault(path, Sum(path)).add(row)
    return sorted(sums.values(), key=lambda each: -each.total)


def _paths(layer: str) -> Iterator[str]:
    """The layer and those around it: `GPT.h.0` → `GPT.h.0`, `GPT.h`, `GPT`."""
    while layer:
        yield layer
        layer = layer.rpartition(".")[0]


SUMS: dict[By, Callable[[Sequence[Row]], list[Sum]]] = {
    "line": by_line, "layer": by_layer, "operation": by_operation,
}  # fmt: skip
