"""A user's program in a process of its own, halted in `backward` between slices of its steps.

    python -m benchmarks.program_worker chainrule benchmarks/programs/mlp.py --steps 1000

The program is not changed: `Tensor.backward` is wrapped from outside, and a step lasts from one
call of it to the next, so evaluation and sampling in between count. After the first hundred steps
the worker answers with their losses; then `{"do": "slice", "steps": 200}` runs 200 more and answers
with the seconds. The program ends with the input. When an optimiser is made, its parameters are
drawn anew, from NumPy: both libraries start from the same weights.
"""

from __future__ import annotations

import json
import os
import runpy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from benchmarks import memory

FIRST = 100


class Pace:
    """The program's steps: counted and timed, and halted where a slice ends."""

    def __init__(self, answers: TextIO, versions: dict[str, str]) -> None:
        self.answers, self.versions = answers, versions
        self.stamps: list[float] = []
        self.cpu = time.process_time()
        self.steps = FIRST
        self.losses: list[float] = []
        self.last: Any = None

    def step(self, loss: Any) -> None:
        """A step ends, and the next begins, where `backward` of `loss` is called."""
        if len(self.losses) < FIRST:
            if self.last is not None:  # computed by now: the program has read it, or stepped
                self.losses.append(float(self.last.detach().sum()))
            self.last = loss if len(self.losses) < FIRST else None
        self.stamps.append(time.perf_counter())
        if len(self.stamps) > self.steps:
            self.halt()

    def halt(self) -> None:
        """Answer with the slice, wait for the next one; no more input ends the program."""
        steps = [b - a for a, b in zip(self.stamps, self.stamps[1:], strict=False)]
        answer: dict[str, Any] = {
            "steps": self.steps,
            "mean_ms": sum(steps) / self.steps * 1e3,
            "median_ms": statistics.median(steps) * 1e3,
            "cpu_ms": (time.process_time() - self.cpu) / self.steps * 1e3,
            "peak_mb": memory.peak(),
        }
        if self.versions:
            answer |= {"losses": self.losses, "versions": self.versions}
            self.versions = {}
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        self.steps = json.loads(line)["steps"]
        self.stamps, self.cpu = [time.perf_counter()], time.process_time()


def paced(torch: ModuleType, pace: Pace) -> None:
    """Wrap `Tensor.backward` of this library by `pace`."""
    backward = torch.Tensor.backward

    def halting(loss: Any, *args: Any, **kwargs: Any) -> Any:
        pace.step(loss)
        return backward(loss, *args, **kwargs)

    torch.Tensor.backward = halting  # type: ignore[method-assign]


def equal_starts(torch: ModuleType) -> None:
    """Let every optimiser draw its parameters: normal(0, 1/√fan-in); constants stay as they are."""
    make = torch.optim.Optimizer.__init__

    def drawing(optimizer: Any, *args: Any, **kwargs: Any) -> None:
        make(optimizer, *args, **kwargs)
        import numpy as np

        rng = np.random.default_rng(0)
        with torch.no_grad():
            for p in (p for group in optimizer.param_groups for p in group["params"]):
                value = p.flatten()[0].item()
                if bool((p == value).all()) and (p.numel() > 1 or value in {0.0, 1.0}):
                    continue
                fan = p.numel() // (p.shape[0] if p.dim() > 1 else 1)
                drawn = rng.standard_normal(tuple(p.shape), np.float32) / fan**0.5
                p.copy_(torch.from_numpy(drawn))

    torch.optim.Optimizer.__init__ = drawing


def started(
    contestant: str, script: str, arguments: list[str]
) -> tuple[ModuleType, Callable[[], Any]]:
    """The contestant's library, and the call that runs the script under it as its users do."""
    if contestant.startswith("chainrule"):
        import chainrule

        sys.argv = ["chainrule", "run", script, *arguments]
        return chainrule, lambda: runpy.run_module("chainrule", run_name="__main__")
    import torch

    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).parent)  # in place of -m's working directory
    return torch, lambda: runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Keep standard output for the answers alone, then run the program."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contestant, script, *arguments = sys.argv[1:]
        torch, run = started(contestant, script, arguments)
        name = "chainrule" if contestant.startswith("chainrule") else "torch"
        pace = Pace(answers, {name: torch.__version__})
        paced(torch, pace)
        equal_starts(torch)
        run()


if __name__ == "__main__":
    main()
