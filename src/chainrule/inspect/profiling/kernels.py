"""Which lines and layers the time of a compiled program belongs to.

The interpreter measures each group of kernels between two barriers. A group of several nodes, or
of several kernels that ran side by side, is divided by the work of each node, which is an estimate:
instructions for a vector, times elements. What the groups leave of a run's time is its start.
Example: `for share in shares(program, runs): …`. May import the compiler.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainrule.base.source import Numbered, Source, source_at
from chainrule.compiler.fuse.weight import weight
from chainrule.compiler.lower.schedule import Repeat, works
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.runtime.encoder import Launched
from chainrule.compiler.runtime.interpreter import ticks_per_second
from chainrule.compiler.runtime.program import Program
from chainrule.compiler.shared.kernel_writer import Work
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.walk import topological
from chainrule.inspect.profiling.contexts import Runs
from chainrule.ops.record import Contract, Map, Reduce

_COPY = "copy"


class Share(NamedTuple):
    """A part of a program's runs: nanoseconds and bytes of one node, whose line is `source`.

    Without a node it is the start of the runs. `estimated`: its kernels have nodes of other lines.
    """

    node: Node | None
    source: Source | None
    time: float
    size: int
    estimated: bool


def shares(program: Program, runs: Runs) -> Iterator[Share]:
    """The parts of the runs of a program; their times add up to that of the runs."""
    measured = runs.ticks * (1e9 / ticks_per_second())
    total = float(measured.sum())
    scale = min(1.0, runs.time / total) if total else 0.0  # the clocks differ by a little
    for first in measured.nonzero()[0]:
        yield from _divided(program.launches(int(first)), float(measured[first]) * scale, runs)
    yield Share(None, None, runs.time - total * scale, 0, False)


def parts_of(graph: Graph) -> Iterator[tuple[Node, float]]:
    """The nodes of a graph that was evaluated as one, each with its part of the estimated work."""
    opened = inline_calls(Graph(graph.inputs, graph.outputs))
    nodes = [n for n in topological(opened.outputs) if n.op is not INPUT]
    estimates = [amount(node) for node in nodes]
    whole = math.fsum(estimates) or 1.0
    yield from zip(nodes, [each / whole for each in estimates], strict=True)


def heaviest(graph: Graph) -> str:
    """The op that has most of the estimated work of a graph that was evaluated as one."""
    node, _ = max(parts_of(graph), key=lambda each: each[1])
    name: str = node.op.name
    return name


def group_times(program: Program, ticks: Sequence[int]) -> Iterator[tuple[str, float]]:
    """The groups of one run in their order: the ops, and the part of all the groups' time."""
    total = float(sum(ticks)) or 1.0
    for first, spent in enumerate(ticks):
        if spent:
            nodes = [n for each in program.launches(first) for n in _nodes(each.work)]
            yield " ".join(dict.fromkeys(map(work_name, nodes))) or _COPY, spent / total


def work_name(node: Node) -> str:
    """The op of a node; of an input that is copied to a result, "copy"."""
    return _COPY if node.op is INPUT else node.op.name


def _divided(launches: Sequence[Launched], time: float, runs: Runs) -> Iterator[Share]:
    trips = [(work, node, n) for work, times in launches for node, n in _repeated(work, times)]
    estimates = [amount(node) * n for _, node, n in trips]
    whole = math.fsum(estimates)
    sources = [line_of(node, runs) for _, node, _ in trips]
    several = len({*sources}) > 1
    for (work, node, n), part, source in zip(trips, estimates, sources, strict=True):
        share = part / whole if whole else 1 / len(trips)
        size = node.type.nbytes if isinstance(node.type, Type) and node in _written(work) else 0
        yield Share(node, source, time * share, size * n * runs.calls, several)
    if not trips:
        yield Share(None, None, time, 0, False)


def _written(work: Work | Repeat) -> frozenset[Node]:
    if isinstance(work, Work):
        return work.writes
    return frozenset[Node]().union(*(w.writes for w in works(work.units)))


def _repeated(work: Work | Repeat, trips: int) -> Iterator[tuple[Node, int]]:
    """The nodes that a launch computes, and how often."""
    if isinstance(work, Work):
        for node in _nodes(work):
            yield node, trips
        return
    for unit in work.units:
        yield from _repeated(unit.work, trips * work.trips * work.blocks)


def _nodes(work: Work | Repeat) -> tuple[Node, ...]:
    if isinstance(work, Repeat):
        return tuple(n for each in works(work.units) for n in _nodes(each))
    return work.nodes or tuple(work.writes)


def amount(node: Node) -> float:
    """The work of a node: instructions for one vector, times the elements of what it loops over."""
    lower = node.op.lower
    if not isinstance(node.type, Type):
        return float(sum(t.size for t in node.type.items)) * node.inputs[0].shape[-1]
    if isinstance(lower, Contract):
        return float(node.type.size) * node.inputs[0].shape[-1]
    if isinstance(lower, Reduce):
        return float(node.inputs[0].array.size) * weight(node)
    if isinstance(lower, Map):
        return float(node.type.size) * weight(node)
    return float(node.type.size)


def line_of(node: Node, runs: Runs) -> Source | None:
    """The line of the program that a node stands for; of a gradient's node a `Pulled`."""
    source = node.source
    if type(source) is not Numbered or source.number >= len(runs.locations):
        return source
    return source_at(runs.locations[source.number]) or source
