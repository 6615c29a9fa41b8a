"""From a plan's units to the records and argument slots of the native interpreter.

Slots of arrays that come from outside are `patches`: (slot, number of the array, byte offset). A
slot that holds a moving part of an array advances with the loops that move it.
Example: `Recorder(number, offsets, base).run(units, addresses)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.passes.schedule import Repeat, Unit
from chainrule.compiler.runtime.program import Guard, Launch, LoopBegin, LoopEnd, Record
from chainrule.compiler.templates.writer import BufferArgument, Work
from chainrule.graph.node import Node
from chainrule.kernel.ir import Buffer, Extent


def extents(work: Work) -> dict[str, int]:
    """The run-time integers of a kernel."""
    return {
        p.name: a
        for p, a in zip(work.kernel.params, work.arguments, strict=True)
        if isinstance(p, Extent) and isinstance(a, int)
    }


class Recorder:
    """Collects records; `number` are the arrays from outside, `offsets` those in the arena."""

    def __init__(self, number: Mapping[Node, int], offsets: Mapping[Node, int], base: int) -> None:
        """Nothing recorded yet; the arena begins at address `base`."""
        self.number, self.offsets, self.base = number, offsets, base
        self.records: list[Record] = []
        self.slots: list[int] = []
        self.patches: list[tuple[int, int, int]] = []
        self.scratch = 0
        self._advances: dict[Repeat, list[tuple[int, int]]] = {}

    def guard(self, flag: Node) -> None:
        """Stop here if the flag is set."""
        self.records.append(Guard(len(self.slots)))
        self.patches.append((len(self.slots), self.number[flag], 0))
        self.slots.append(0)

    def run(
        self, units: Sequence[Unit], addresses: Iterator[int], loops: tuple[Repeat, ...] = ()
    ) -> None:
        """Record units inside `loops`; `addresses` gives the machine code of each kernel."""
        level = None
        for unit in units:
            work = unit.work
            if isinstance(work, Repeat):
                self._loop(work, addresses, (*loops, work))
                level = None
            elif self._launch(work, next(addresses), loops, barrier=unit.level != level):
                level = unit.level

    def _loop(self, work: Repeat, addresses: Iterator[int], loops: tuple[Repeat, ...]) -> None:
        self._advances[work] = []
        at = len(self.records)
        self.records.append(LoopBegin(work.trips))
        self.run(work.units, addresses, loops)
        self.records[at] = LoopBegin(work.trips, tuple(self._advances[work]))
        self.records.append(LoopEnd())

    def _launch(
        self, work: Work, address: int, loops: tuple[Repeat, ...], *, barrier: bool
    ) -> bool:
        start = len(self.slots)
        for param, argument in zip(work.kernel.params, work.arguments, strict=True):
            if isinstance(argument, BufferArgument):
                assert isinstance(param, Buffer)
                self._buffer(argument, param.dtype.itemsize, loops)
            else:
                self.slots.append(argument)
        sizes = extents(work)
        self.scratch = max(self.scratch, scratch_bytes(work.kernel, sizes))
        tasks = task_count(work.kernel, sizes)
        if tasks:
            self.records.append(Launch(address, start, tasks, barrier))
        return bool(tasks)

    def _buffer(self, argument: BufferArgument, itemsize: int, loops: tuple[Repeat, ...]) -> None:
        """The slot of an array, or of the moving part of one."""
        node, offset = argument
        slot = len(self.slots)
        for loop in reversed(loops):
            part = loop.moving.get(node)
            if part is not None:
                node, offset = part.root, offset + part.offset
                self._advances[loop].append((slot, part.step * itemsize))
        if node in self.number:
            self.patches.append((slot, self.number[node], offset * itemsize))
            self.slots.append(0)
        else:
            self.slots.append(self.base + self.offsets[node] + offset * itemsize)
