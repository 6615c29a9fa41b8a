"""One contestant with one workload, in a process of its own, answering commands.

    python -m benchmarks.worker torch-eager gpt_nano

reads one JSON object a line and answers with one: `first` runs the first step, `losses` some more,
`slice` times steps, `memory` returns the peak, and the end of input ends it. The libraries' output
goes to standard error. Needs the standard library, NumPy and the contestant.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from typing import Any, Protocol, TextIO

from benchmarks import memory

# contestant → (module of benchmarks.workloads, mode)
MODULES = {
    "chainrule": ("chainrule_steps", "compile"),
    "chainrule-eager": ("chainrule_steps", "eager"),
    "torch-eager": ("torch_steps", "eager"),
    "torch-compile": ("torch_steps", "compile"),
    "jax": ("jax_steps", "jit"),
}


class Step(Protocol):
    """The interface of a contestant for a workload."""

    parameters: int

    def run(self) -> None:
        """One training step, finished when it returns."""

    def loss(self) -> float:
        """The last step's loss."""


def timed(step: Step) -> float:
    """Seconds of one step."""
    start = time.perf_counter()
    step.run()
    return time.perf_counter() - start


def slice_of(step: Step, seconds: float, least: int) -> dict[str, float]:
    """Milliseconds a step, over `seconds` and at least `least` steps, after a tenth to warm up."""
    end = time.perf_counter() + seconds / 10
    step.run()
    while time.perf_counter() < end:
        step.run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        times.append(timed(step))
    return {
        "median_ms": statistics.median(times) * 1e3,
        "min_ms": min(times) * 1e3,
        "steps": len(times),
    }


def losses_of(step: Step, count: int) -> dict[str, list[float]]:
    """The losses of the next `count` steps."""
    values = []
    for _ in range(count):
        step.run()
        values.append(step.loss())
    return {"losses": values}


def first_of(step: Step) -> dict[str, float]:
    """Seconds to the first step's loss, and that loss."""
    start = time.perf_counter()
    step.run()
    loss = step.loss()
    return {"seconds": time.perf_counter() - start, "loss": loss}


def serve(contestant: str, name: str, answers: TextIO) -> None:
    """Import the contestant, build its step, answer commands until the input ends."""
    # Imported before the clock and the memory baseline, since every contestant needs it
    import numpy.random  # noqa: F401 - NumPy loads it at its first use, which is the data's

    from benchmarks.workloads.spec import workload

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    module, mode = MODULES[contestant]
    work = workload(name)
    before, start = memory.resident(), time.perf_counter()
    steps = importlib.import_module(f"benchmarks.workloads.{module}")
    imported = time.perf_counter() - start
    baseline = memory.resident()
    memory.reset_peak()
    step: Step = steps.Step(work, mode)
    say(
        {
            "import_seconds": imported,
            "import_mb": baseline - before,
            "parameters": step.parameters,
            "versions": steps.VERSIONS,
        }
    )
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "first":
                say(first_of(step))
            case "losses":
                say(losses_of(step, command["count"]))
            case "slice":
                say(slice_of(step, command["seconds"], command["least"]))
            case "memory":
                say({"above_import_mb": memory.peak() - baseline, "peak_mb": memory.peak()})


def main() -> None:
    """Keep standard output for the answers alone, then serve."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(sys.argv[1], sys.argv[2], answers)


if __name__ == "__main__":
    main()
