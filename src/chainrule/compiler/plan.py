"""A plan: what runs natively in one call. Kernels and their argument slots, memory, guards.

`Plan` is data that can be printed; `Executable` is a plan loaded into memory and bound to arrays.
Example: `pipeline.compile_graph(…)` returns an `Executable`; `executable.run(arrays)` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.passes.schedule import Unit
from chainrule.compiler.runtime.arena import Lifetime, aligned_empty, check_arena, plan_arena
from chainrule.compiler.runtime.layout import Status
from chainrule.compiler.runtime.program import Guard, Launch, Program, Record
from chainrule.compiler.templates.writer import BufferArgument, Work
from chainrule.graph.node import Node
from chainrule.kernel.ir import Buffer, Extent

_SERIAL_WORK = 400_000  # scalar operations below which waking a second thread does not pay


@dataclass(frozen=True, slots=True)
class Plan:
    """Units in order, the nodes whose memory comes from outside, and the arena's layout."""

    units: tuple[Unit, ...]
    externals: tuple[Node, ...]
    offsets: Mapping[Node, int]
    arena_bytes: int
    guard: Node | None
    work: float

    def lines(self) -> list[str]:
        """One line per kernel: level, phase, tasks, name, arrays."""
        out = [f"arena {self.arena_bytes:,} bytes, {len(self.units)} kernels"]
        for unit in self.units:
            phase = "commit" if unit.late else "compute"
            tasks = task_count(unit.work.kernel, extents(unit.work))
            writes = ", ".join(str(n.type) for n in unit.work.writes)
            out.append(
                f"{unit.level:4d} {phase} {unit.work.kernel.name:9s} ×{tasks:<5d} → {writes}"
            )
        return out


def extents(work: Work) -> dict[str, int]:
    """The run-time integers of a kernel."""
    return {
        p.name: a
        for p, a in zip(work.kernel.params, work.arguments, strict=True)
        if isinstance(p, Extent) and isinstance(a, int)
    }


def make_plan(
    units: Sequence[Unit], externals: Sequence[Node], guard: Node | None, work: float
) -> Plan:
    """Lay the arrays that live inside the step into one arena; overlap is checked."""
    outside = set(externals)
    first: dict[Node, int] = {}
    last: dict[Node, int] = {}
    for unit in units:
        for node in unit.work.reads | unit.work.writes:
            if node not in outside:
                first.setdefault(node, unit.level)
                last[node] = max(last.get(node, 0), unit.level)
    nodes = list(first)
    lifetimes = [Lifetime(n.array.nbytes, first[n], last[n]) for n in nodes]
    places, total = plan_arena(lifetimes)
    check_arena(lifetimes, places, total)
    return Plan(
        tuple(units), tuple(externals), dict(zip(nodes, places, strict=True)), total, guard, work
    )


class Executable:
    """A plan with its memory: `run(arrays)` binds the outside arrays and runs it natively."""

    def __init__(self, plan: Plan, addresses: Sequence[int], threads: int) -> None:
        """Encode the records; `addresses[i]` is the machine code of unit i."""
        self.plan = plan
        self._arena = aligned_empty(max(plan.arena_bytes, 64))
        base = self._arena.__array_interface__["data"][0]
        number = {n: i for i, n in enumerate(plan.externals)}
        slots: list[int] = []
        records: list[Record] = []
        patches: list[tuple[int, int, int]] = []  # slot, external, byte offset
        scratch, level, committed = 0, -1, False
        for unit, address in zip(plan.units, addresses, strict=True):
            if unit.late and not committed:
                committed = True
                if plan.guard is not None:
                    records.append(Guard(len(slots)))
                    patches.append((len(slots), number[plan.guard], 0))
                    slots.append(0)
                    level = -1
            start = len(slots)
            for param, argument in zip(unit.work.kernel.params, unit.work.arguments, strict=True):
                if isinstance(argument, BufferArgument):
                    assert isinstance(param, Buffer)
                    shift = argument.offset * param.dtype.itemsize
                    if argument.node in number:
                        patches.append((len(slots), number[argument.node], shift))
                        slots.append(0)
                    else:
                        slots.append(base + plan.offsets[argument.node] + shift)
                else:
                    slots.append(argument)
            sizes = extents(unit.work)
            scratch = max(scratch, scratch_bytes(unit.work.kernel, sizes))
            tasks = task_count(unit.work.kernel, sizes)
            if tasks:
                records.append(Launch(address, start, tasks, unit.level != level))
                level = unit.level
        if plan.guard is not None and not committed:
            records.append(Guard(len(slots)))
            patches.append((len(slots), number[plan.guard], 0))
            slots.append(0)
        table = np.array(patches, np.int64).reshape(-1, 3)
        self._slots, self._numbers, self._shifts = table.T.copy()
        serial = plan.work < _SERIAL_WORK
        self.program = Program(
            records,
            np.array(slots or [0], np.int64),
            scratch_bytes=scratch,
            threads=1 if serial else threads,
        )

    def run(self, addresses: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
        """Run on outside arrays at these addresses; False if the guard stopped the step."""
        self.program.args[self._slots] = addresses[self._numbers] + self._shifts
        status = self.program.run()
        if status is Status.guard:
            return False
        if status is not Status.ok:
            raise CompileError(f"the plan ended with status {status.name}")
        return True
