"""A plan as the machine runs it: instructions, argument slots, scratch; `run` is one native call.

May import base and this folder's modules. Example (`k` twice over 100 tasks, then `m`):

    code = [LoopBegin(2, ((0, 4096),)), Launch(k, slots=0, tasks=100, barrier=True), LoopEnd(),
            Launch(m, slots=3, tasks=7, barrier=True)]
    program = Program(code, args, scratch_bytes=0, threads=2)
    program.args[5] = address_of_this_step_s_input
    status = program.run()
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from chainrule.base.errors import CompileError, VerifyError
from chainrule.compiler.runtime import encoding
from chainrule.compiler.runtime.arena import ALIGNMENT, aligned_empty
from chainrule.compiler.runtime.denormals import MODES
from chainrule.compiler.runtime.encoding import INSTRUCTION_WORDS, Code, Status
from chainrule.compiler.runtime.interpreter import interpreter, ticks_per_second
from chainrule.compiler.runtime.workers import get_num_threads, new_board, workers

_PAUSE_EVERY = 0.4  # seconds after which Python gets a chance to handle signals
_MAX_TASKS = 2**31  # of a group: task numbers are 32 bits wide, and a claim may overshoot once

Words = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Launch:
    """Run a kernel's tasks 0 … `tasks` - 1; `slots` is its first argument slot.

    `barrier`: wait for all earlier launches. Launches without a barrier between them may run at
    the same time. `wide`: the results are float64, whose denormal numbers are kept.
    """

    address: int
    slots: int
    tasks: int
    barrier: bool
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """After all earlier launches: stop with `Status.guard` if a flag is set; else commit.

    The flag is the int64 at the address in argument slot `flag_slot`; not zero means set. Nothing
    interrupts what follows.
    """

    flag_slot: int


@dataclass(frozen=True, slots=True)
class LoopBegin:
    """Repeat what stands before the matching `LoopEnd` `trips` times.

    After each trip but the last, `delta` is added to argument slot `slot` for each (slot, delta)
    of `advances`; after the loop the slots are as before. Loops nest.
    """

    trips: int
    advances: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class LoopEnd:
    """End of a loop's body; the next trip starts when all of this one is done."""


Instruction = Launch | Guard | LoopBegin | LoopEnd


class Program:
    """Instructions made ready to run on up to `threads` threads (fewer after `set_num_threads`).

    `args` are the first values of the argument slots: addresses, integers, bits of float64
    numbers. The caller writes to `self.args` between runs; a run works on a copy. Each thread has
    `scratch_bytes` of scratch. Results do not depend on the number of threads. `pause_every` is
    the time in seconds between chances for Python to handle signals; `modes` say which launches
    take denormal numbers for zero. `launched` says what the launches compute, by number of
    instruction: for an `observed` program.

    Raises VerifyError for instructions that do not fit together.
    """

    def __init__(
        self,
        instructions: Sequence[Instruction],
        args: Words,
        scratch_bytes: int,
        threads: int,
        pause_every: float = _PAUSE_EVERY,
        modes: Words = MODES,
        launched: Mapping[int, Any] | None = None,
    ) -> None:
        self.launched = launched or {}
        own = np.array(args, dtype=np.int64)
        _verify(instructions, own.size)
        table, advances, loops = encode(instructions, threads)
        stride = -(-scratch_bytes // ALIGNMENT) * ALIGNMENT
        self._threads = threads
        self._tables = (
            own,
            np.empty_like(own),
            table,
            advances,
            np.zeros(loops, np.int64),
            aligned_empty(stride * threads),
        )
        self._modes = modes
        self._header = self._make_header(stride, int(pause_every * ticks_per_second()))
        self._address = self._header.ctypes.data
        self._native = interpreter().run
        self.spent: Words = np.zeros(0, np.int64)  # ticks of the last run that was observed
        self._ticks = self.spent  # where the interpreter collects them
        self._board = new_board(1)  # for runs without workers
        self._board_address = self._board.ctypes.data
        self._lock = threading.RLock()
        self._running = False
        _programs.add(self)
        if _observers:
            self._observe(tuple(_observers))

    def _make_header(self, stride: int, ticks: int) -> Words:
        word = encoding.Program
        args, copy, table, advances, trips, scratch = (t.ctypes.data for t in self._tables)
        header = np.zeros(len(word), np.int64)
        header[[word.SOURCE, word.ARGS, word.INSTRUCTIONS, word.ADVANCES]] = (
            args,
            copy,
            table,
            advances,
        )
        header[[word.TRIPS, word.SCRATCH, word.STRIDE]] = trips, scratch, stride
        header[[word.SLOTS, word.SLICE]] = self.args.size, ticks
        header[word.DENORMALS] = self._modes.ctypes.data
        return header

    @property
    def args(self) -> Words:
        """The argument slots, to be written between runs; always the same array."""
        return self._tables[0]

    def launches(self, first: int) -> list[Any]:
        """What the launches of a group compute; `first` is the number of its first instruction."""
        end = int(self.table[first, encoding.Launch.NEXT])
        return [self.launched[at] for at in range(first, end) if at in self.launched]

    @property
    def table(self) -> Words:
        """The words of the instructions."""
        return self._tables[2]

    @property
    def completed(self) -> int:
        """The number of runs that ended `ok`.

        The count is part of the native run: a caller that an interrupt reaches between the run
        and its own next line sees here whether the commit has happened.
        """
        return int(self._header[encoding.Program.COMPLETED])

    def _observe(self, observers: Sequence[Observer]) -> None:
        """Measure each group of launches and call through the observers, if there are any."""
        native, ticks = interpreter().run, np.zeros(len(self.table), np.int64)

        def run(board: int, program: int, sections: int, resume: int) -> int:
            def measured() -> int:
                status = native(board, program, sections, resume)
                self.spent = ticks.copy()
                ticks[:] = 0
                return status

            call: Callable[[], int] = measured
            for observer in observers:
                call = partial(observer, self, call)
            return call()

        self._native = run if observers else native
        with self._lock:  # no run is under way, whose clock would be taken from it
            self._header[encoding.Program.CLOCK] = ticks.ctypes.data if observers else 0
            self._ticks = ticks

    def run(self, bind: tuple[Words, Words] | None = None) -> Status:
        """Run once, with the values of `self.args` at this moment.

        `bind` is slots and what they hold from now on: no other thread's values get between.

        `Status.guard`: the guard stopped it before the commit. A KeyboardInterrupt (or whatever a
        signal handler raises) leaves before the commit or after the whole run, never within; the
        program can be run again. Calls from several threads take turns; while another program has
        the workers, this one runs without. Raises CompileError for a run inside a signal handler
        that interrupted a run of the same program.
        """
        with self._lock:
            if self._running:
                raise CompileError("a signal handler called the compiled step that it interrupted")
            try:
                self._running = True
                if bind is not None:
                    self.args[bind[0]] = bind[1]
                threads = min(self._threads, get_num_threads())
                return self._run_parallel(threads) if threads > 1 else self._drive(1)
            finally:
                self._running = False

    def _run_parallel(self, threads: int) -> Status:
        pool = workers()
        try:
            if not pool.claim(self):
                return self._drive(1)
            return self._drive(pool.ready(threads), pool.board)
        finally:
            pool.free(self)

    def _drive(self, sections: int, board: int = 0) -> Status:
        run, board = self._native, board or self._board_address
        status = run(board, self._address, sections, 0)
        while status == Status.paused:  # signals are handled here
            status = run(board, self._address, sections, 1)
        return _STATUS[status]


class Observer(Protocol):
    """Called for each native run, which is `native()`; then `program.spent` are its ticks.

    They are those of each group of launches, at the number of its first instruction: see
    `interpreter.ticks_per_second`. A run that pauses is several calls.
    """

    def __call__(self, program: Program, native: Callable[[], int]) -> int:
        """The result of `native()`."""


_STATUS = tuple(Status)
_programs: weakref.WeakSet[Program] = weakref.WeakSet()
_observers: list[Observer] = []


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """In the block, all native runs of this process go through `observer`, and are measured.

    A program that is not observed pays one look at its header for each group of launches.
    """
    _observers.append(observer)
    try:
        _arrange()
        yield
    finally:
        _observers.remove(observer)
        _arrange()


def _arrange() -> None:
    """All living programs are observed by those who want to."""
    for program in list(_programs):
        program._observe(tuple(_observers))  # noqa: SLF001 - this module's own class


def encode(instructions: Sequence[Instruction], threads: int) -> tuple[Words, Words, int]:
    """The table of instructions, the (slot, delta) pairs of all loops, and the number of loops."""
    table = np.zeros((len(instructions) + 1, INSTRUCTION_WORDS), np.int64)
    pairs: list[tuple[int, int]] = []
    begun: list[tuple[int, LoopBegin, int]] = []  # instruction, loop, number
    loops = 0
    for at, instruction in enumerate(instructions):
        match instruction:
            case Launch(address, slots, tasks):
                code = Code.WIDE if instruction.wide else Code.LAUNCH
                table[at, :4] = code, address, slots, tasks
            case Guard(flag_slot):
                table[at, :2] = Code.GUARD, flag_slot
            case LoopBegin(trips):
                table[at, :3] = Code.LOOP, trips, loops
                begun.append((at, instruction, loops))
                loops += 1
            case LoopEnd():
                start, loop, number = begun.pop()
                table[start, encoding.Loop.TARGET] = at + 1
                table[at, :3] = Code.REPEAT, loop.trips, number
                table[at, 3:6] = start + 1, len(pairs), len(loop.advances)
                pairs += loop.advances
    table[len(instructions), 0] = Code.HALT
    for start, end in _groups(instructions):
        _number_tasks(table[start:end], end, threads)
    return table, np.array(pairs, np.int64).reshape(-1, 2), loops


def _groups(instructions: Sequence[Instruction]) -> list[tuple[int, int]]:
    """Runs [start, end) of launches without a barrier between them."""
    groups: list[tuple[int, int]] = []
    previous: Instruction | None = None
    for at, instruction in enumerate(instructions):
        if isinstance(instruction, Launch):
            if isinstance(previous, Launch) and not instruction.barrier:
                groups[-1] = (groups[-1][0], at + 1)
            else:
                groups.append((at, at + 1))
        previous = instruction
    return groups


def grain(tasks: int, threads: int) -> int:
    """The number of tasks that are claimed at a time.

    One at a time while there are few; more when they are many, so that claiming stays cheap (about
    12 ns a claim). A single thread claims too: between claims it looks at the clock.
    """
    return max(1, tasks // max(64, 16 * threads))


def _number_tasks(group: Words, end: int, threads: int) -> None:
    """Number the tasks of a group's launches through."""
    word = encoding.Launch
    tasks = group[:, word.TASKS]
    total = int(tasks.sum())
    if total >= _MAX_TASKS:
        raise VerifyError(f"{total} tasks between two barriers: at most {_MAX_TASKS - 1} can be")
    group[:, word.START] = np.cumsum(tasks) - tasks
    group[:, word.TOTAL] = total
    group[:, word.GRAIN] = grain(total, threads)
    group[:, word.NEXT] = end


def _verify(instructions: Sequence[Instruction], slots: int) -> None:
    """Loops are closed, slots exist, and there is one guard at most, outside all loops."""
    depth = guards = 0
    for at, instruction in enumerate(instructions):
        used: tuple[int, ...] = ()
        match instruction:
            case Launch(_, first, tasks):
                if tasks < 0 or not 0 <= first <= slots:
                    raise VerifyError(
                        f"instruction {at}: {tasks} tasks from slot {first} of {slots}"
                    )
            case Guard(flag_slot):
                used = (flag_slot,)
                guards += 1
                if depth or guards > 1:
                    raise VerifyError(f"instruction {at}: a second guard, or one inside a loop")
            case LoopBegin(_, advances):
                used = tuple(slot for slot, _ in advances)
                depth += 1
            case LoopEnd():
                depth -= 1
                if depth < 0:
                    raise VerifyError(f"instruction {at}: a loop ends that never began")
        for slot in used:
            if not 0 <= slot < slots:
                raise VerifyError(f"instruction {at}: slot {slot} of {slots}")
    if depth:
        raise VerifyError(f"{depth} loops never end")


def _after_fork() -> None:
    """Another thread of the parent may have held these locks; it does not exist here."""
    for program in list(_programs):
        program._lock = threading.RLock()  # noqa: SLF001 - this module's own class
        program._running = False  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
