"""A plan: what runs natively in one call. Kernels and their argument slots, memory, guards.

`Plan` is data that can be printed; `Executable` is a plan loaded into memory and bound to arrays.
Example: `pipeline.compile_graph(…)` returns an `Executable`; `executable.call(arrays)` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import addressof, c_char
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.codegen.scratch import task_count
from chainrule.compiler.lower.schedule import Repeat, Unit, works
from chainrule.compiler.runtime.arena import aligned_empty, check_arena, plan_arena
from chainrule.compiler.runtime.denormals import MODES
from chainrule.compiler.runtime.encoder import Encoder, extents
from chainrule.compiler.runtime.encoding import Status
from chainrule.compiler.runtime.liveness import lifetimes
from chainrule.compiler.runtime.program import Program, Words
from chainrule.compiler.shared.captured import Bound
from chainrule.graph.node import Node

Array = np.ndarray[Any, Any]
_SERIAL_WORK = 400_000  # scalar operations below which waking a second thread does not pay


def address(array: Array) -> int:
    """The address of an array; asking the buffer of one that is row-major takes an eighth."""
    try:
        return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # read-only, empty, or with strides
        return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Plan:
    """Units in order, the nodes whose memory comes from outside, and the arena's layout.

    The guard's flag is set where one of the `bounds` is not kept.
    """

    units: tuple[Unit, ...]
    inputs: tuple[Node, ...]
    results: tuple[Node, ...]
    bounds: tuple[Bound, ...]
    offsets: Mapping[Node, int]
    arena_bytes: int
    guard: Node | None
    work: float

    @classmethod
    def of(
        cls,
        units: Sequence[Unit],
        inputs: Sequence[Node],
        results: Sequence[Node],
        bounds: Sequence[Bound],
        guard: Node | None,
        work: float,
    ) -> Plan:
        """Lay the arrays that live inside the step into one arena; overlap is checked."""
        ends = (tuple(inputs), tuple(results), tuple(bounds))
        plan = cls(tuple(units), *ends, {}, 0, guard, work)
        lives = lifetimes(units, set(plan.externals))
        starts, total = plan_arena(list(lives.values()))
        check_arena(list(lives.values()), starts, total)
        return replace(plan, offsets=dict(zip(lives, starts, strict=True)), arena_bytes=total)

    @property
    def externals(self) -> tuple[Node, ...]:
        """The nodes whose memory comes from outside: inputs, results, the guard's flag."""
        return (*self.inputs, *self.results, *(() if self.guard is None else (self.guard,)))

    @property
    def kernels(self) -> int:
        """The number of kernels of the plan, those inside loops counted once."""
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


class Executable:
    """A plan with its memory: `call(arrays)` binds the outside arrays and runs it natively."""

    def __init__(
        self, plan: Plan, addresses: Sequence[int], threads: int, modes: Words = MODES
    ) -> None:
        """Encode the instructions; `addresses` are those of the kernels' machine code, in order.

        `modes` say which launches take denormal numbers for zero.
        """
        self.plan = plan
        self._arena = aligned_empty(max(plan.arena_bytes, 64))
        base = address(self._arena)
        number = {n: i for i, n in enumerate(plan.externals)}
        encoder, code = Encoder(number, plan.offsets, base), iter(addresses)
        encoder.run([unit for unit in plan.units if not unit.late], code)
        if plan.guard is not None:
            encoder.guard(plan.guard)
        encoder.run([unit for unit in plan.units if unit.late], code)
        self._tables = encoder.tables  # instructions hold their addresses
        table = np.array(encoder.patches, np.int64).reshape(-1, 3)
        self._slots, self._numbers, self._shifts = table.T.copy()
        serial = plan.work < _SERIAL_WORK
        self.program = Program(
            encoder.instructions,
            np.array(encoder.slots or [0], np.int64),
            scratch_bytes=encoder.scratch,
            threads=1 if serial else threads,
            modes=modes,
            launched=encoder.launched,
        )

    def call(self, inputs: Sequence[Array]) -> list[Array] | None:
        """The results for inputs in row-major order; None if the guard stopped the step."""
        results = [np.empty(n.shape, n.dtype.numpy) for n in self.plan.results]
        arrays = [*inputs, *results, np.zeros(1, np.int64)][: len(self.plan.externals)]
        return results if self.run(np.array([*map(address, arrays)], np.int64)) else None

    def run(self, addresses: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
        """Run on outside arrays at these addresses; False if the guard stopped the step."""
        status = self.program.run((self._slots, addresses[self._numbers] + self._shifts))
        if status is Status.guard:
            return False
        if status is not Status.ok:
            raise CompileError(f"the plan ended with status {status.name}")
        return True
