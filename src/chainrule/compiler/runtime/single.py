"""One kernel, run on other arrays and extents at each call, as quickly as Python allows.

A plan of one kernel needs no arena, and its program is one launch: what a call changes is the
number of tasks and the arguments. A run takes a program from the list of idle ones, so that a
signal handler or another thread that arrives during a run gets a program of its own.
Example: `single.run(words_of(address, tasks=100, threads=2), struct.pack("3q", …), 2)`.
"""

from __future__ import annotations

from struct import Struct

import numpy as np

from chainrule.base.errors import CompileError
from chainrule.compiler.runtime.denormals import EAGER
from chainrule.compiler.runtime.encoding import INSTRUCTION_WORDS, Code, Status
from chainrule.compiler.runtime.program import Launch, Program, grain
from chainrule.compiler.runtime.workers import get_num_threads

_WORDS = Struct(f"{INSTRUCTION_WORDS}q")


class Single:
    """See the module's docstring; `wide`: the results are float64."""

    def __init__(self, address: int, arguments: int, *, wide: bool) -> None:
        """The kernel's machine code, and the number of its arguments."""
        self._launch = Launch(address, 0, 1, barrier=True, wide=wide)
        self._count = arguments
        self._idle: list[_Launcher] = []

    def words(self, tasks: int, threads: int) -> bytes:
        """The launch of a number of tasks."""
        code = Code.WIDE if self._launch.wide else Code.LAUNCH
        each = grain(tasks, threads)
        return _WORDS.pack(code, self._launch.address, 0, tasks, 0, tasks, each, 1)

    def run(self, words: bytes, arguments: bytes, threads: int, scratch: int) -> None:
        """Run the launch on arguments, with `scratch` bytes for each of at most `threads`."""
        try:
            launcher = self._idle.pop()
        except IndexError:
            launcher = _Launcher(self._launch, self._count, scratch)
        if launcher.scratch < scratch:
            launcher = _Launcher(self._launch, self._count, scratch)
        try:
            status = launcher.launch(words, arguments, threads)
        finally:
            self._idle.append(launcher)
        if status is not Status.ok:
            raise CompileError(f"the kernel ended with status {status.name}")


class _Launcher(Program):
    """A program of one launch, whose words are written anew for each run."""

    def __init__(self, launch: Launch, arguments: int, scratch: int) -> None:
        threads = get_num_threads()
        super().__init__([launch], np.zeros(arguments, np.int64), scratch, threads, modes=EAGER)
        self.scratch, self.threads = scratch, threads
        self._words = self.table.view(np.uint8).reshape(-1).data[: _WORDS.size]
        self._arguments = self.args.view(np.uint8).data

    def launch(self, words: bytes, arguments: bytes, threads: int) -> Status:
        """Run once; nobody else uses this launcher now."""
        self._words[:] = words
        self._arguments[:] = arguments
        threads = min(threads, self.threads, get_num_threads())
        return self._run_parallel(threads) if threads > 1 else self._drive(1)
