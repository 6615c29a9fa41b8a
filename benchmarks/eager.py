"""The cost of one eager operation on tiny arrays, and on large ones: chainrule and its rivals.

    python -m benchmarks.eager --rival-python /path/to/rivals/bin/python
    python -m benchmarks.eager --large --rounds 10

The libraries – chainrule, PyTorch and, for tiny arrays, HIPS autograd – take turns in one run, each
in its own process; tiny operations run on one core, large ones on all. Smallest of the rounds.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import Any

from benchmarks import report
from benchmarks.contestant import Contestant
from benchmarks.output import json_option, keep
from benchmarks.workloads import large_ops

LIBRARIES = ("chainrule-eager", "torch-eager", "autograd")


def measure(
    libraries: list[str], python: str, rounds: int, seconds: float, size: str
) -> dict[str, Any]:
    """Microseconds of each operation, for each library; `size` is "tiny" or "large"."""
    best: dict[str, dict[str, float]] = {name: {} for name in libraries}
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                Contestant(
                    name,
                    size,
                    python=sys.executable if name.startswith("chainrule") else python,
                    cores="one" if size == "tiny" else "all",
                    module="benchmarks.tiny_worker",
                )
            )
            for name in libraries
        ]
        for _ in range(rounds):
            for contestant in running:
                for op, time in contestant.ask("slice", seconds=seconds).items():
                    known = best[contestant.name]
                    known[op] = min(time, known.get(op, time))
    return best


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager")
    parser.add_argument("--rivals", nargs="*", default=LIBRARIES[1:], choices=LIBRARIES[1:])
    parser.add_argument("--rival-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="for each operation and round")
    parser.add_argument("--large", action="store_true", help="arrays of real sizes, and layers")
    json_option(parser)
    options = parser.parse_args()
    size = "large" if options.large else "tiny"
    libraries = [LIBRARIES[0], *options.rivals]
    if options.large:
        libraries = [name for name in libraries if name in large_ops.MAKERS]
    times = measure(libraries, options.rival_python, options.rounds, options.seconds, size)
    result = keep(options.json, {"microseconds": times})
    print(report.large_table(result) if options.large else report.eager_table(result))


if __name__ == "__main__":
    main()
