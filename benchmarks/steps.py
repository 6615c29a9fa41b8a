"""Training steps, side by side: chainrule, PyTorch eager, `torch.compile`, JAX.

    python -m benchmarks.steps --rival-python /path/to/rivals/bin/python --json steps.json

Every contestant holds its model ready in its own process. Within one run the contestants take
turns, a slice of steps each, in an order that changes from round to round; the table shows medians
over the rounds. Equal starting weights and batches: the losses must agree, or the run stops.
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

from benchmarks import machine, report
from benchmarks.contestant import CACHE_VARIABLES, Contestant, WorkerError, pythons
from benchmarks.workloads.spec import WORKLOADS, workload

RIVALS = ("torch-eager", "torch-compile", "jax")
_CHECKED_STEPS = 10
_TOLERANCE = 2e-3  # float32, ten steps, four implementations
_SETTLE = 0.05  # seconds for the last contestant's threads to go to sleep

Row = dict[str, Any]


def say(text: str) -> None:
    """Print progress on standard error, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def first_steps(contestant: Contestant, row: Row) -> None:
    """The first step (cold), then a few whose losses are kept for comparison."""
    first = contestant.ask("first", patience=1200.0)
    row["first_cold_s"] = first["seconds"]
    row["losses"] = [first["loss"], *contestant.ask("losses", count=_CHECKED_STEPS)["losses"]]


def agree(rows: dict[str, Row]) -> None:
    """Raise unless all contestants' losses are the same within rounding."""
    (name, reference), *others = rows.items()
    for other, row in others:
        for step, (a, b) in enumerate(zip(reference["losses"], row["losses"], strict=True)):
            if not abs(a - b) <= _TOLERANCE * max(abs(a), abs(b)):
                raise SystemExit(
                    f"not the same work: step {step} has loss {a:.6f} in {name}, {b:.6f} in {other}"
                )


def race(running: list[Contestant], rows: dict[str, Row], rounds: int, seconds: float) -> None:
    """Alternate slices; keep each contestant's median of medians and smallest time."""
    slices: dict[str, list[dict[str, float]]] = {c.name: [] for c in running}
    for turn in range(rounds):
        shift = turn % len(running)
        for contestant in running[shift:] + running[:shift]:
            time.sleep(_SETTLE)
            slices[contestant.name].append(contestant.ask("slice", seconds=seconds, least=3))
    for name, taken in slices.items():
        rows[name]["median_ms"] = statistics.median(s["median_ms"] for s in taken)
        rows[name]["min_ms"] = min(s["min_ms"] for s in taken)
        rows[name]["slice_medians_ms"] = [round(s["median_ms"], 5) for s in taken]
        rows[name]["steps"] = sum(int(s["steps"]) for s in taken)


def measure(name: str, cores: str, options: argparse.Namespace) -> dict[str, Any]:
    """One workload with all contestants: first steps, race, memory, warm first steps."""
    work, where = workload(name), pythons(options.rival_python)
    rows: dict[str, Row] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        running = []
        for who in ("chainrule", *options.rivals):
            cache = folder / who
            cache.mkdir()
            contestant = stack.enter_context(
                Contestant(who, name, python=where[who], cores=cores, cache=str(cache))
            )
            rows[who] = {**contestant.ready}
            first_steps(contestant, rows[who])
            say(f"{name} {cores}: {who} first step {rows[who]['first_cold_s']:.2f} s")
            running.append(contestant)
        agree(rows)
        race(running, rows, options.rounds, options.seconds)
        for contestant in running:
            rows[contestant.name] |= contestant.ask("memory")
            contestant.close()
        for who, row in rows.items():
            if who in CACHE_VARIABLES:
                with Contestant(
                    who, name, python=where[who], cores=cores, cache=str(folder / who)
                ) as again:
                    row["first_warm_s"] = again.ask("first", patience=1200.0)["seconds"]
                    again.ask("slice", seconds=0.3, least=3)
                    row["warm_above_import_mb"] = again.ask("memory")["above_import_mb"]
    for who, row in rows.items():
        say(f"{name} {cores}: {who} {row['median_ms']:.3f} ms")
    return {
        "workload": name,
        "summary": work.summary,
        "cores": cores,
        "flops": work.flops,
        "contestants": rows,
    }


def peak_gflops() -> dict[str, float]:
    """The measured FMA peak with one core and with all of them."""
    from benchmarks.fma_peak import fma_peak_gflops

    one = float(fma_peak_gflops())
    return {"one": one, "all": one * int(machine.describe()["cores"])}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), metavar="NAME",
                        help=f"default: {' '.join(WORKLOADS)}")  # fmt: skip
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--cores", nargs="+", default=["all", "one"], choices=["all", "one"])
    parser.add_argument("--rounds", type=int, default=7, help="slices for each contestant")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--rival-python", default=sys.executable, metavar="PATH",
                        help="the interpreter that has torch, jax and optax")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here")
    return parser.parse_args()


def main() -> None:
    """Measure the chosen rows and print the table."""
    options = arguments()
    result: dict[str, Any] = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "peak_gflops": peak_gflops(),
        "rows": [],
    }
    for cores in options.cores:
        for name in options.workloads:
            try:
                result["rows"].append(measure(name, cores, options))
            except WorkerError as error:
                raise SystemExit(f"{name}: {error}") from None
            if options.json:  # kept even if a later row fails
                options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = report.steps_page(result)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
