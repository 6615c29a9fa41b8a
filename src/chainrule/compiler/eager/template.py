"""A plan of one kernel for all extents: what a new sequence length needs is a few numbers.

A graph of arrays (rows, columns) is planned at two pairs of extents. If both plans are the same
kernel, and each argument is the number of rows, of columns, of rows to a task, or the same in both,
the kernel serves all extents. Else the columns are fixed - a mean divides by their number - and
only the rows are free. Example:

    template = template_of(lambda rows, columns: graph, None)
    template.launch(rows=700, columns=300).run([x, result])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.codegen.target import eager_target
from chainrule.compiler.fuse.weight import weight
from chainrule.compiler.lower.templates.accumulate import TERMS
from chainrule.compiler.lower.templates.rows import TASK
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.runtime.encoder import is_wide
from chainrule.compiler.runtime.load import load_works
from chainrule.compiler.runtime.plan import Array, address
from chainrule.compiler.runtime.single import Single
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.shared.kernel_writer import BufferArgument, Work
from chainrule.graph.node import INPUT, Graph
from chainrule.graph.walk import topological
from chainrule.kernel.ir import Extent, Kernel
from chainrule.ops.record import Lower
from chainrule.ops.record import Template as Own

Build = Callable[[int, int | None], Graph]
_ROWS, _COLUMNS = (1013, 2003, 3001), (1009, 641)  # primes: each number shows what it is
_FLAT = (1_000_003, 500_009)
_PARALLEL = 1 << 20  # elements times instructions that are worth a second thread
_OF_TEMPLATE = 16  # instructions of an op with a kernel of its own, at least
_LEAST_COST = 8  # instructions that take as long as reading and writing an element


class _Part(NamedTuple):
    """An array by its number among inputs and results, from a byte on."""

    number: int
    offset: int


Slot = _Part | str | int


class Template(NamedTuple):
    """See the module's docstring.

    `slots` say what each argument is: an array with an offset in bytes, "rows", "columns", "size",
    "block" or a number.
    `cost` is the number of vector instructions per element.
    """

    kernel: Kernel
    slots: tuple[Slot, ...]
    single: Single
    cost: int
    results: int

    def launch(self, rows: int, columns: int | None, each: int = 1) -> Launch:
        """The kernel for these extents; `each` scales the instructions per element."""
        across = columns or 1
        numbers = {"rows": rows, "columns": across, "size": rows * across}
        numbers["block"] = _blocks(across)[0]
        arguments = [
            s if isinstance(s, int) else 0 if isinstance(s, _Part) else numbers[s]
            for s in self.slots
        ]
        arrays = [(k, *s) for k, s in enumerate(self.slots) if isinstance(s, _Part)]
        named = zip(self.kernel.params, arguments, strict=True)
        extents = {p.name: a for p, a in named if isinstance(p, Extent)}
        tasks, scratch = task_count(self.kernel, extents), scratch_bytes(self.kernel, extents)
        most = get_num_threads()
        threads = most if rows * across * each * max(self.cost, _LEAST_COST) >= _PARALLEL else 1
        words = self.single.words(tasks, threads)
        return Launch(self.single, words, arguments, arrays, threads, scratch)


class Launch:
    """A kernel with all that does not change from call to call."""

    def __init__(
        self,
        single: Single,
        words: bytes,
        arguments: list[int],
        arrays: list[tuple[int, int, int]],
        threads: int,
        scratch: int,
    ) -> None:
        self._single, self._words, self._arguments = single, words, arguments
        self._arrays, self._threads, self._scratch = arrays, threads, scratch
        self._pack = Struct(f"{len(arguments)}q").pack

    def run(self, arrays: Sequence[Array]) -> None:
        """Run on row-major inputs and results."""
        arguments = self._arguments.copy()
        for k, number, offset in self._arrays:
            arguments[k] = address(arrays[number]) + offset
        self._single.run(self._words, self._pack(*arguments), self._threads, self._scratch)


class _Planned(NamedTuple):
    work: Work
    slots: tuple[Slot, ...]
    cost: int
    results: int


def template_of(build: Build, columns: int | None, *, flat: bool = False) -> Template | None:
    """The template of `build(rows, columns)` for all rows, and all columns if they are None.

    `flat`: the arrays have one axis, `rows`.
    """
    if flat:
        pairs: list[tuple[int, int | None]] = [(n, None) for n in _FLAT]
    else:
        wide = _COLUMNS if columns is None else (columns, columns)
        pairs = list(zip([n for n in _ROWS if n != columns], wide, strict=False))
    first = _planned(build, *pairs[0], free=columns is None)
    if first is None:
        return None
    second = _planned(build, *pairs[1], free=columns is None)
    if second is None or (second.slots, second.work.kernel) != (first.slots, first.work.kernel):
        return None
    kernel = first.work.kernel
    (where,) = load_works([first.work], eager_target())
    single = Single(where, len(first.slots), wide=is_wide(first.work))
    return Template(kernel, first.slots, single, first.cost, first.results)


def _planned(build: Build, rows: int, columns: int | None, *, free: bool) -> _Planned | None:
    """The plan of one kernel with its slots; None if it is another."""
    graph = build(rows, columns)
    optimized = optimize(Captured(graph, len(graph.outputs), {}))
    plan = plan_graph(optimized, eager_target())
    work = plan.units[0].work if len(plan.units) == 1 else None
    if not isinstance(work, Work) or plan.arena_bytes or plan.guard is not None:
        return None
    number = {node: i for i, node in enumerate((*plan.inputs, *plan.results))}
    slots: list[Slot] = []
    for param, argument in zip(work.kernel.params, work.arguments, strict=True):
        if isinstance(argument, BufferArgument):
            if argument.node not in number:
                return None
            size = argument.node.dtype.itemsize
            slots.append(_Part(number[argument.node], argument.offset * size))
        elif param.name.startswith("step"):
            if free and argument not in _blocks(columns or 1):
                return None
            slots.append("block" if free else argument)
        else:
            slots.append(_name(argument, rows, columns, free=free))
    return _Planned(work, tuple(slots), instructions(optimized.graph), len(plan.results))


def _blocks(columns: int) -> list[int]:
    """The rows of a task: of a kernel, and of one whose elements cost twice as much."""
    return [max(TASK // (columns * cost), 1) for cost in (1, 2)]


def _name(number: int, rows: int, columns: int | None, *, free: bool) -> str | int:
    """What an extent of the kernel is."""
    if number == rows:
        return "rows"
    if columns is not None and number == rows * columns:
        return "size"
    return "columns" if free and number == columns else number


def instructions(graph: Graph) -> int:
    """Vector instructions of a graph, per element."""
    nodes = [n for n in topological(graph.outputs) if n.op is not INPUT and n.op.cost != "free"]
    return sum([_OF_TEMPLATE if _is_own(n.op.lower) else weight(n) for n in nodes])


def _is_own(lower: Lower | None) -> bool:
    return isinstance(lower, Own) and not lower.fused


def columns_of_a_template() -> int:
    """The most columns for which the sums of a template are those of the markers."""
    return 4 * eager_target().lanes * TERMS
