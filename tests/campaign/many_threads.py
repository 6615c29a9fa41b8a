"""Many threads, forks and processes: all compute what one does alone.

Sixteen threads compile and call functions, the same ones and their own; the process forks while
others compile; workers are forked and spawned. Every result is compared with the eager one, bit
for bit with what the function gave before where it is called again. A process of its own runs each
trial, since what is looked for are deadlocks and crashes.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_HANGS = 120  # seconds


class ManyThreads:
    """See the module's docstring."""

    name = "threads"
    about = "threads, forks and spawned processes that compile at once agree and end"

    def run(self, rng: random.Random, deadline: float) -> str | None:
        """One program with random threads, in a process of its own."""
        del deadline
        seed = str(rng.randrange(10**9))
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.campaign.threaded", seed]
        try:
            done = subprocess.run(
                command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_HANGS
            )
        except subprocess.TimeoutExpired as hung:
            return f"seed {seed}: hangs for more than {_HANGS} s; it said {hung.stdout!r}"
        if done.returncode == 0:
            return None
        said = (done.stdout + done.stderr)[-3000:]
        return f"seed {seed}: ended with {done.returncode}\n{said}"
