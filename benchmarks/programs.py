"""Programs as users write them, unmodified, side by side: PyTorch and `chainrule run`.

    python -m benchmarks.programs --rival-python /path/to/rivals/bin/python --json programs.json
    python -m benchmarks.programs --programs tiny nanogpt --compiled --undeferred

Each contestant runs the script in its own process. First: seconds from the start of the process to
the end of step 100, imports and compilation included. Then the contestants take turns, halted
between slices of equal steps; the table shows medians over the rounds of the mean step, with the
evaluation and sampling that belong to it. The first losses must agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.contestant import CACHE_VARIABLES, Contestant, WorkerError, pythons
from benchmarks.program_list import PROGRAMS, Program
from benchmarks.program_tables import programs_page
from benchmarks.steps import Row, say

_CHECKED_STEPS = 10
_TOLERANCE = 2e-3  # float32, ten steps
_DRAWN_TOLERANCE = 0.1  # dropout: of the mean over the first hundred steps
_SETTLE = 0.05  # seconds for the last contestant's threads to go to sleep


PLAIN = ("torch-eager", "chainrule")
COMPILED = ("torch-compile", "chainrule-module")


class DifferenceError(RuntimeError):
    """The contestants' losses differ."""


class Run:
    """A contestant with a program: its process and its figures."""

    def __init__(self, who: str, program: Program, python: str, folder: str) -> None:
        self.who, self.program, self.python, self.folder = who, program, python, folder
        self.arguments = (*program.command(), *(["--compile"] if who in COMPILED else []))
        self.process: Contestant | None = None
        self.cache = ""
        self.starts: dict[str, list[float]] = {"first_cold_s": [], "first_warm_s": []}
        self.row: Row = {}

    def start(self, kind: str) -> None:
        """The first hundred steps of a new process, with an empty cache if `kind` is cold."""
        self.end()
        if kind == "first_cold_s":
            self.cache = tempfile.mkdtemp(dir=self.folder)
        began = time.perf_counter()
        self.process = Contestant(
            self.who, *self.arguments, python=self.python, cache=self.cache,
            module="benchmarks.program_worker",
        )  # fmt: skip
        self.starts[kind].append(time.perf_counter() - began)
        self.row[kind] = statistics.median(self.starts[kind])
        self.row["versions"] = self.process.ready["versions"]

    @property
    def losses(self) -> list[float]:
        """The losses of the first hundred steps."""
        assert self.process is not None
        found: list[float] = self.process.ready["losses"]
        return found

    def steps(self, count: int) -> Row:
        """The figures of the next `count` steps."""
        assert self.process is not None
        time.sleep(_SETTLE)
        return self.process.ask("slice", steps=count)

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.close()
            self.process = None


def difference(program: Program, reference: list[float], losses: list[float]) -> float:
    """The largest relative difference of losses; raises `DifferenceError` above a bound."""
    bound, pairs = _TOLERANCE, list(zip(reference, losses, strict=True))[:_CHECKED_STEPS]
    if program.draws:
        bound, pairs = _DRAWN_TOLERANCE, [(statistics.fmean(reference), statistics.fmean(losses))]
    largest = 0.0
    for step, (a, b) in enumerate(pairs):
        apart = abs(a - b) / max(abs(a), abs(b), 1e-30)
        if not apart <= bound:
            raise DifferenceError(
                f"not the same work: step {step} has loss {a:.6f} in PyTorch, {b:.6f} here"
            )
        largest = max(largest, apart)
    return largest


def kept(runs: list[Run], act: Callable[[Run], None]) -> list[Run]:
    """The runs for which `act` succeeds; for PyTorch and for chainrule as they are it has to."""
    found = []
    for run in runs:
        try:
            act(run)
        except (WorkerError, DifferenceError) as error:
            if run.who in PLAIN:
                raise
            say(f"{run.program.name}: {run.who} is left out: {error}")
            run.end()
        else:
            found.append(run)
    return found


def race(runs: list[Run], period: int, rounds: int, seconds: float) -> None:
    """Slices in turn, for each contestant those of the same steps; the first round is not kept."""
    pytorchs, *_ = [run.steps(period) for run in runs]
    steps = period * max(1, round(seconds * 1e3 / (pytorchs["mean_ms"] * period)))
    slices: dict[str, list[Row]] = {run.who: [] for run in runs}
    for turn in range(rounds + 1):
        shift = turn % len(runs)
        for run in runs[shift:] + runs[:shift]:
            slices[run.who].append(run.steps(steps))
    for run in runs:
        _, *taken = slices[run.who]
        run.row |= {
            "mean_ms": statistics.median(s["mean_ms"] for s in taken),
            "min_ms": min(s["mean_ms"] for s in taken),
            "cpu_ms": statistics.median(s["cpu_ms"] for s in taken),
            "median_step_ms": statistics.median(s["median_ms"] for s in taken),
            "slice_means_ms": [round(s["mean_ms"], 5) for s in taken],
            "slice_steps": steps,
            "peak_mb": taken[-1]["peak_mb"],
        }


def measure(program: Program, options: argparse.Namespace) -> dict[str, Any]:
    """One program under all contestants: starts, race, starts with a filled cache."""
    where = pythons(options.rival_python)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        runs = [
            Run(who, program, where[who], folder)
            for who in contestants(options)
            if program.compiles or who not in COMPILED
        ]
        for run in runs:
            stack.callback(run.end)
        for _ in range(options.starts):
            runs = kept(runs, lambda run: run.start("first_cold_s"))
        reference = runs[0].losses

        def compare(run: Run) -> None:
            run.row["loss_difference"] = difference(program, reference, run.losses)

        runs = kept(runs, compare)
        race(runs, program.period, options.rounds, options.seconds)
        for run in runs:
            run.end()
        for run in (run for run in runs if run.who in CACHE_VARIABLES):
            for _ in range(options.starts):
                run.start("first_warm_s")
            run.end()
    for run in runs:
        found = (
            "{mean_ms:.3f} ms, CPU {cpu_ms:.3f} ms, first {first_cold_s:.2f} s, losses {apart:.0e}"
        )
        say(
            f"{program.name}: {run.who} {found.format(apart=run.row['loss_difference'], **run.row)}"
        )
    return {
        "program": program.name,
        "group": program.group,
        "summary": program.summary,
        "contestants": {run.who: run.row for run in runs},
    }


def contestants(options: argparse.Namespace) -> list[str]:
    """PyTorch first: it is what losses are compared with, and sets the length of the slices."""
    undeferred = ["chainrule-undeferred"] if options.undeferred else []
    return [*PLAIN, *undeferred, *(COMPILED if options.compiled else ())]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.programs", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--programs", nargs="+", default=list(PROGRAMS), choices=PROGRAMS,
                        metavar="NAME", help=f"default: {' '.join(PROGRAMS)}")  # fmt: skip
    parser.add_argument("--compiled", action="store_true",
                        help="also with torch.compile(model), in both")  # fmt: skip
    parser.add_argument("--undeferred", action="store_true",
                        help="also with CHAINRULE_DEFER=0")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="of which the medians are kept")
    parser.add_argument("--rounds", type=int, default=7, help="slices for each contestant")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of PyTorch's slice")
    parser.add_argument("--rival-python", default=sys.executable, metavar="PATH",
                        help="the interpreter that has torch")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures here")
    return parser.parse_args()


def main() -> None:
    """Measure the chosen programs and print the table; a failing program is named at the end."""
    options = arguments()
    result: dict[str, Any] = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "starts": options.starts,
        "rows": [],
    }
    failed = []
    for name in options.programs:
        try:
            result["rows"].append(measure(PROGRAMS[name], options))
        except (WorkerError, DifferenceError) as error:
            failed.append(f"{name}: {error}")
            say(failed[-1])
            continue
        if options.json:  # kept even if a later program fails
            options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if result["rows"]:
        print(programs_page(result))
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
