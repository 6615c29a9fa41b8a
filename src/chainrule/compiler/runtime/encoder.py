"""From a plan's units to the instructions and argument slots of the native interpreter.

Slots of arrays that come from outside are `patches`: (slot, number of the array, byte offset). A
slot that holds a moving part of an array advances with the loops that move it.
Example: `Encoder(number, offsets, base).run(units, addresses)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.base.dtypes import float32, float64
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.lower.schedule import Repeat, Unit, works
from chainrule.compiler.runtime.blocks import block_table, run_blocks
from chainrule.compiler.runtime.program import Guard, Instruction, Launch, LoopBegin, LoopEnd
from chainrule.compiler.shared.kernel_writer import BufferArgument, Work
from chainrule.graph.node import Node
from chainrule.kernel.ir import Buffer, Extent


def extents(work: Work) -> dict[str, int]:
    """The run-time integers of a kernel."""
    return {
        p.name: a
        for p, a in zip(work.kernel.params, work.arguments, strict=True)
        if isinstance(p, Extent) and isinstance(a, int)
    }


class Launched(NamedTuple):
    """The work of a launch, and how often one run of the program does it."""

    work: Work | Repeat
    times: int


def _trips(loops: Sequence[Repeat]) -> int:
    return math.prod([loop.trips for loop in loops])


def is_wide(work: Work) -> bool:
    """Whether the kernel's results are float64, or follow from such numbers alone."""
    buffers = [p for p in work.kernel.params if isinstance(p, Buffer)]
    written = {p.dtype for p in buffers if p.written}
    return float64 in written or (float32 not in written and float64 in {p.dtype for p in buffers})


@dataclass(frozen=True)
class _Moves:
    """(slot, bytes) of what moves on with each trip of a loop, and from block to block."""

    advances: list[tuple[int, int]] = field(default_factory=list)
    spreads: list[tuple[int, int]] = field(default_factory=list)


class Encoder:
    """Collects instructions; `number` are the arrays from outside, `offsets` those in the arena."""

    def __init__(self, number: Mapping[Node, int], offsets: Mapping[Node, int], base: int) -> None:
        """Nothing encoded yet; the arena begins at address `base`."""
        self.number, self.offsets, self.base = number, offsets, base
        self.instructions: list[Instruction] = []
        self.launched: dict[int, Launched] = {}  # by number of instruction
        self.slots: list[int] = []
        self.patches: list[tuple[int, int, int]] = []
        self.scratch = 0
        self.tables: list[npt.NDArray[np.int64]] = []  # must live as long as the program
        self._moves: dict[Repeat, _Moves] = {}

    def guard(self, flag: Node) -> None:
        """Stop here if the flag is set."""
        self.instructions.append(Guard(len(self.slots)))
        self.patches.append((len(self.slots), self.number[flag], 0))
        self.slots.append(0)

    def run(
        self, units: Sequence[Unit], addresses: Iterator[int], loops: tuple[Repeat, ...] = ()
    ) -> None:
        """Encode units inside `loops`; `addresses` gives the machine code of each kernel."""
        level = None
        for unit in units:
            work, barrier = unit.work, unit.level != level
            if not isinstance(work, Repeat):
                launched = self._launch(work, next(addresses), loops, barrier=barrier)
            elif work.blocks > 1:
                launched = self._blocks(work, addresses, (*loops, work), barrier=barrier)
            else:
                self._loop(work, addresses, (*loops, work))
                level, launched = None, False
            if launched:
                level = unit.level

    def _loop(self, work: Repeat, addresses: Iterator[int], loops: tuple[Repeat, ...]) -> None:
        moves = self._moves[work] = _Moves()
        at = len(self.instructions)
        self.instructions.append(LoopBegin(work.trips))
        self.run(work.units, addresses, loops)
        self.instructions[at] = LoopBegin(work.trips, tuple(moves.advances))
        self.instructions.append(LoopEnd())

    def _blocks(
        self, work: Repeat, addresses: Iterator[int], loops: tuple[Repeat, ...], *, barrier: bool
    ) -> bool:
        """One launch with a task for each block; its first slot points to what a block does."""
        moves = self._moves[work] = _Moves()
        start = len(self.slots)
        self.slots.append(0)
        launches, scratch = [], 0
        inside = list(works(work.units))
        for inner in inside:
            slot, tasks, needed = self._bind(inner, loops)
            launches.append((next(addresses), slot - start - 1, tasks))
            scratch = max(scratch, needed)
        count = len(self.slots) - start - 1

        def within(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
            return [(slot - start - 1, delta) for slot, delta in pairs if delta]

        table, own = block_table(
            count, work.trips, launches, within(moves.spreads), within(moves.advances)
        )
        self.tables.append(table)
        self.slots[start] = table.ctypes.data
        self.scratch = max(self.scratch, own + scratch)
        wide = any(map(is_wide, inside))
        self.launched[len(self.instructions)] = Launched(work, _trips(loops[:-1]))
        self.instructions.append(Launch(run_blocks(), start, work.blocks, barrier, wide))
        return True

    def _launch(
        self, work: Work, address: int, loops: tuple[Repeat, ...], *, barrier: bool
    ) -> bool:
        start, tasks, scratch = self._bind(work, loops)
        self.scratch = max(self.scratch, scratch)
        if tasks:
            self.launched[len(self.instructions)] = Launched(work, _trips(loops))
            self.instructions.append(Launch(address, start, tasks, barrier, is_wide(work)))
        return bool(tasks)

    def _bind(self, work: Work, loops: tuple[Repeat, ...]) -> tuple[int, int, int]:
        """Slots for a kernel's parameters: the first one, the tasks, the bytes of scratch."""
        start = len(self.slots)
        for param, argument in zip(work.kernel.params, work.arguments, strict=True):
            if isinstance(argument, BufferArgument):
                assert isinstance(param, Buffer)
                self._buffer(argument, param.dtype.itemsize, loops)
            else:
                self.slots.append(argument)
        sizes = extents(work)
        return start, task_count(work.kernel, sizes), scratch_bytes(work.kernel, sizes)

    def _buffer(self, argument: BufferArgument, itemsize: int, loops: tuple[Repeat, ...]) -> None:
        """The slot of an array, or of the moving part of one."""
        node, offset = argument
        slot = len(self.slots)
        for loop in reversed(loops):
            part = loop.moving.get(node)
            if part is not None:
                node, offset = part.root, offset + part.offset
                self._moves[loop].advances.append((slot, part.step * itemsize))
                self._moves[loop].spreads.append((slot, part.spread * itemsize))
        if node in self.number:
            self.patches.append((slot, self.number[node], offset * itemsize))
            self.slots.append(0)
        else:
            self.slots.append(self.base + self.offsets[node] + offset * itemsize)
