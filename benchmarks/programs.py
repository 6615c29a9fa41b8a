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


class DifferenceError(RuntimeError):
    """The contestants' losses differ."""


def start(who: str, program: Program, python: str, cache: str) -> tuple[Contestant, float]:
    """The program halted after its first hundred steps, and the seconds to there."""
    compile_it = who in {"torch-compile", "chainrule-module"}
    arguments = (*program.command(), *(["--compile"] if compile_it else []))
    began = time.perf_counter()
    contestant = Contestant(
        who, *arguments, python=python, cache=cache, module="benchmarks.program_worker"
    )
    return contestant, time.perf_counter() - began


def difference(program: Program, rows: dict[str, Row]) -> float:
    """The largest relative difference between the losses; raises above a bound."""
    (name, reference), *others = ((who, row.pop("losses")) for who, row in rows.items())
    largest = 0.0
    for other, losses in others:
        if program.draws:
            pairs = [(statistics.fmean(reference), statistics.fmean(losses))]
        else:
            pairs = list(zip(reference, losses, strict=True))[:_CHECKED_STEPS]
        for step, (a, b) in enumerate(pairs):
            apart = abs(a - b) / max(abs(a), abs(b), 1e-30)
            if not apart <= (_DRAWN_TOLERANCE if program.draws else _TOLERANCE):
                raise DifferenceError(
                    f"not the same work: step {step} has loss {a:.6f} in {name}, {b:.6f} in {other}"
                )
            largest = max(largest, apart)
    return largest


def race(running: list[Contestant], program: Program, options: argparse.Namespace) -> list[Row]:
    """Slices in turn, for each contestant those of the same steps; the first round is not kept."""

    def take(contestant: Contestant, steps: int) -> Row:
        time.sleep(_SETTLE)
        return contestant.ask("slice", steps=steps)

    pytorchs, *_ = [take(contestant, program.period) for contestant in running]
    fitting = options.seconds * 1e3 / (pytorchs["mean_ms"] * program.period)
    steps = program.period * max(1, round(fitting))
    slices: list[list[Row]] = [[] for _ in running]
    for turn in range(options.rounds + 1):
        for place in range(len(running)):
            chosen = (place + turn) % len(running)
            slices[chosen].append(take(running[chosen], steps))
    return [
        {
            "mean_ms": statistics.median(s["mean_ms"] for s in kept),
            "min_ms": min(s["mean_ms"] for s in kept),
            "median_step_ms": statistics.median(s["median_ms"] for s in kept),
            "slice_means_ms": [round(s["mean_ms"], 5) for s in kept],
            "slice_steps": steps,
            "peak_mb": kept[-1]["peak_mb"],
        }
        for _, *kept in slices
    ]


def measure(program: Program, options: argparse.Namespace) -> dict[str, Any]:
    """One program under all contestants: starts, race, starts with a filled cache."""
    where = pythons(options.rival_python)
    contestants = [w for w in chosen(options) if program.compiles or w not in COMPILED]
    cold: dict[str, list[float]] = {who: [] for who in contestants}
    rows: dict[str, Row] = {who: {} for who in contestants}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        running: list[Contestant] = []
        caches = {}
        for turn in range(options.starts):
            for who in contestants:
                caches[who] = tempfile.mkdtemp(dir=folder)
                contestant, seconds = start(who, program, where[who], caches[who])
                stack.callback(contestant.close)
                cold[who].append(seconds)
                if turn + 1 < options.starts:
                    contestant.close()
                    continue
                running.append(contestant)
                rows[who] |= {k: contestant.ready[k] for k in ("losses", "versions")}
                rows[who]["first_cold_s"] = statistics.median(cold[who])
        apart = difference(program, rows)
        for who, row in zip(contestants, race(running, program, options), strict=True):
            rows[who] |= row
        for contestant in running:
            contestant.close()
        for who in CACHE_VARIABLES.keys() & contestants:
            warm = []
            for _ in range(options.starts):
                contestant, seconds = start(who, program, where[who], caches[who])
                contestant.close()
                warm.append(seconds)
            rows[who]["first_warm_s"] = statistics.median(warm)
    for who, row in rows.items():
        say(f"{program.name}: {who} {row['mean_ms']:.3f} ms, 100 steps {row['first_cold_s']:.2f} s")
    say(f"{program.name}: losses differ by {apart:.1e}")
    return {
        "program": program.name,
        "group": program.group,
        "summary": program.summary,
        "loss_difference": apart,
        "contestants": rows,
    }


COMPILED = ("torch-compile", "chainrule-module")


def chosen(options: argparse.Namespace) -> list[str]:
    """The contestants, PyTorch first: it sets the length of the slices."""
    undeferred = ["chainrule-undeferred"] if options.undeferred else []
    return ["torch-eager", "chainrule", *undeferred, *(COMPILED if options.compiled else ())]


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
