"""The cost of `import chainrule`, against that of `import numpy`.

    python -m benchmarks.import_time

Fresh interpreters take turns; a statement is timed inside each, from the start to its end, so the
interpreter's own start does not count. chainrule imports NumPy: the ratio cannot be below 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import report
from benchmarks.contestant import ROOT
from benchmarks.output import json_option, keep

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
MODULES = ("numpy", "chainrule")


def seconds(module: str) -> float:
    """One fresh import."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module)],
        capture_output=True,
        text=True,
        check=True,
        env=env,
        cwd=ROOT / "benchmarks",
    )
    return float(done.stdout)


def measure(rounds: int) -> dict[str, Any]:
    """Median and smallest seconds of each module; the first round only warms the disk."""
    times: dict[str, list[float]] = {module: [] for module in MODULES}
    for turn in range(rounds + 1):
        for module in MODULES:
            taken = seconds(module)
            if turn:
                times[module].append(taken)
    return {
        module: {"median_s": statistics.median(t), "min_s": min(t)} for module, t in times.items()
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_time")
    parser.add_argument("--rounds", type=int, default=15)
    json_option(parser)
    options = parser.parse_args()
    result = keep(options.json, {"imports": measure(options.rounds)})
    print(report.import_table(result))


if __name__ == "__main__":
    main()
