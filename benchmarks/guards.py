"""Microseconds that the guards of a compiled GPT step take per call.

    python -m benchmarks.guards --layers 4 12

Before each call a step compares the Python state that its trace read: attributes, globals, cells,
the entries of the optimizer's groups. The figure is CPU time, the least of many short batches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from benchmarks.workloads.chainrule_steps import Step
from benchmarks.workloads.spec import workload
from chainrule.compiler.calls.look import look


def microseconds(call: Callable[[], object], batches: int = 200, batch: int = 100) -> float:
    """CPU time of one call."""
    best = float("inf")
    for _ in range(batches):
        start = time.process_time()
        for _ in range(batch):
            call()
        best = min(best, (time.process_time() - start) / batch)
    return best * 1e6


def main() -> None:
    """One line for each depth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards")
    parser.add_argument("--layers", type=int, nargs="+", default=[4, 12, 24])
    print(f"{'layers':>6} {'places':>6} {'µs':>6}")
    for layers in parser.parse_args().layers:
        step = Step(workload(f"gpt_nano@{layers}"), "eager")
        seen = look(step.step, step.batches[0], {}, keep_grads=False)
        guards = (seen.noted, seen.guards)
        places = sum(len(g.slots) + len(g.contents) for g in guards)
        spent = microseconds(lambda guards=guards: all(g.hold() for g in guards))  # type: ignore[misc]
        print(f"{layers:6d} {places:6d} {spent:6.1f}")


if __name__ == "__main__":
    main()
