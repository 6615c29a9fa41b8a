"""A plan: what runs natively in one call. Kernels and their argument slots, memory, guards.

`Plan` is data that can be printed; `Executable` is a plan loaded into memory and bound to arrays.
Example: `pipeline.compile_graph(…)` returns an `Executable`; `executable.run(arrays)` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.scratch import task_count
from chainrule.compiler.lower.schedule import Repeat, Unit, works
from chainrule.compiler.runtime.arena import aligned_empty, check_arena, plan_arena
from chainrule.compiler.runtime.encoder import Recorder, extents
from chainrule.compiler.runtime.encoding import Status
from chainrule.compiler.runtime.liveness import lifetimes
from chainrule.compiler.runtime.program import Program
from chainrule.graph.node import Node

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

    @property
    def kernels(self) -> int:
        """How many kernels the plan has, those inside loops counted once."""
        return sum(1 for _ in works(self.units))

    def lines(self) -> list[str]:
        """One line per kernel: level, phase, tasks, name, arrays; bodies of loops are indented."""
        return [f"arena {self.arena_bytes:,} bytes, {self.kernels} kernels", *_lines(self.units)]


def _lines(units: Sequence[Unit], indent: str = "") -> list[str]:
    out = []
    for unit in units:
        phase, work = "commit" if unit.late else "compute", unit.work
        if isinstance(work, Repeat):
            blocks = f" in {work.blocks} blocks of rows" if work.blocks > 1 else ""
            out += [f"{indent}{unit.level:4d} repeat {work.trips} times{blocks}"]
            out += _lines(work.units, f"{indent}  ")
            continue
        tasks = task_count(work.kernel, extents(work))
        writes = ", ".join(str(n.type) for n in work.arrays if n in work.writes)
        out.append(f"{indent}{unit.level:4d} {phase} {work.kernel.name:9s} ×{tasks:<5d} → {writes}")
    return out


def make_plan(
    units: Sequence[Unit], externals: Sequence[Node], guard: Node | None, work: float
) -> Plan:
    """Lay the arrays that live inside the step into one arena; overlap is checked."""
    lives = lifetimes(units, set(externals))
    places, total = plan_arena(list(lives.values()))
    check_arena(list(lives.values()), places, total)
    offsets = dict(zip(lives, places, strict=True))
    return Plan(tuple(units), tuple(externals), offsets, total, guard, work)


class Executable:
    """A plan with its memory: `run(arrays)` binds the outside arrays and runs it natively."""

    def __init__(self, plan: Plan, addresses: Sequence[int], threads: int) -> None:
        """Encode the records; `addresses` are those of the kernels' machine code, in order."""
        self.plan = plan
        self._arena = aligned_empty(max(plan.arena_bytes, 64))
        base = self._arena.__array_interface__["data"][0]
        number = {n: i for i, n in enumerate(plan.externals)}
        recorder, code = Recorder(number, plan.offsets, base), iter(addresses)
        recorder.run([unit for unit in plan.units if not unit.late], code)
        if plan.guard is not None:
            recorder.guard(plan.guard)
        recorder.run([unit for unit in plan.units if unit.late], code)
        self._tables = recorder.tables  # records hold their addresses
        table = np.array(recorder.patches, np.int64).reshape(-1, 3)
        self._slots, self._numbers, self._shifts = table.T.copy()
        serial = plan.work < _SERIAL_WORK
        self.program = Program(
            recorder.records,
            np.array(recorder.slots or [0], np.int64),
            scratch_bytes=recorder.scratch,
            threads=1 if serial else threads,
        )

    def run(self, addresses: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
        """Run on outside arrays at these addresses; False if the guard stopped the step."""
        status = self.program.run((self._slots, addresses[self._numbers] + self._shifts))
        if status is Status.guard:
            return False
        if status is not Status.ok:
            raise CompileError(f"the plan ended with status {status.name}")
        return True
