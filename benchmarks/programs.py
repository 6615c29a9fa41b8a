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
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.contestant import CACHE_VARIABLES, Contestant, WorkerError, pythons
from benchmarks.output import Result, keep, say
from benchmarks.program_list import PROGRAMS, Program
from benchmarks.program_tables import programs_page
from benchmarks.race import (
    CHECKED_STEPS,
    DifferenceError,
    largest_difference,
    race_options,
    turns,
)

_DRAWN_TOLERANCE = 0.1  # dropout: of the mean over the first hundred steps
PLAIN = ("torch-eager", "chainrule")
COMPILED = ("torch-compile", "chainrule-module")


class Run:
    """A contestant with a program: its process and its figures."""

    def __init__(self, who: str, program: Program, python: str, folder: str) -> None:
        self.who, self.program, self.python, self.folder = who, program, python, folder
        self.arguments = (*program.command(), *(["--compile"] if who in COMPILED else []))
        self.process: Contestant | None = None
        self.cache = ""
        self.starts: dict[str, list[float]] = {"first_cold_s": [], "first_warm_s": []}
        self.row: Result = {}

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

    def steps(self, count: int) -> Result:
        """The figures of the next `count` steps."""
        assert self.process is not None
        return self.process.ask("slice", steps=count)

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.close()
            self.process = None


def difference(program: Program, reference: list[float], losses: list[float]) -> float:
    """The largest relative difference of the first losses, of their means for one that draws.

    Raises `DifferenceError` where it is no rounding.
    """
    if program.draws:
        means = ([statistics.fmean(each)] for each in (reference, losses))
        return largest_difference(*means, _DRAWN_TOLERANCE)
    return largest_difference(reference[:CHECKED_STEPS], losses[:CHECKED_STEPS])


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
    slices: dict[str, list[Result]] = {run.who: [] for run in runs}
    for run in turns(runs, rounds + 1):
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
        row = run.row
        say(
            f"{program.name}: {run.who} {row['mean_ms']:.3f} ms, CPU {row['cpu_ms']:.3f} ms, first "
            f"{row['first_cold_s']:.2f} s, losses differ by {row['loss_difference']:.0e}"
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
                        help="also with CHAINRULE_DEFER=off")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="of which the medians are kept")
    race_options(parser, "torch")
    return parser.parse_args()


def main() -> None:
    """Measure the chosen programs and print the table; a failing program is named at the end."""
    options = arguments()
    rows: list[Result] = []
    figures = {
        "rounds": options.rounds, "seconds": options.seconds, "starts": options.starts,
        "rows": rows,
    }  # fmt: skip
    failed = []
    for name in options.programs:
        try:
            rows.append(measure(PROGRAMS[name], options))
        except (WorkerError, DifferenceError) as error:
            failed.append(f"{name}: {error}")
            say(failed[-1])
            continue
        keep(options.json, figures)  # even if a later program fails
    if rows:
        print(programs_page(keep(options.json, figures)))
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
