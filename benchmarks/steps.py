"""Training steps, side by side: chainrule, PyTorch eager, `torch.compile`, JAX.

    python -m benchmarks.steps --rival-python /path/to/rivals/bin/python --json steps.json

Every contestant holds its model ready in its own process. Within one run the contestants take
turns, a slice of steps each, in an order that changes from round to round; the table shows medians
over the rounds. Equal starting weights and batches: the losses must agree, or the run stops.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.contestant import CACHE_VARIABLES, Contestant, WorkerError, pythons
from benchmarks.output import Result, keep, say
from benchmarks.race import (
    CHECKED_STEPS,
    DifferenceError,
    largest_difference,
    race_options,
    turns,
)
from benchmarks.workloads.spec import WORKLOADS, workload

RIVALS = ("torch-eager", "torch-compile", "jax")


def first_steps(contestant: Contestant, row: Result) -> None:
    """The first step (cold), then a few whose losses are kept for comparison."""
    first = contestant.ask("first", patience=1200.0)
    row["first_cold_s"] = first["seconds"]
    row["losses"] = [first["loss"], *contestant.ask("losses", count=CHECKED_STEPS)["losses"]]


def agree(rows: dict[str, Result]) -> None:
    """Raise `DifferenceError` unless all losses are the same within rounding."""
    (name, reference), *others = rows.items()
    for other, row in others:
        try:
            largest_difference(reference["losses"], row["losses"])
        except DifferenceError as error:
            raise DifferenceError(f"{name} and {other}: {error}") from None


def race(running: list[Contestant], rows: dict[str, Result], rounds: int, seconds: float) -> None:
    """Alternate slices; keep each contestant's median of medians and smallest time."""
    slices: dict[str, list[dict[str, float]]] = {c.name: [] for c in running}
    for contestant in turns(running, rounds):
        slices[contestant.name].append(contestant.ask("slice", seconds=seconds, least=3))
    for name, taken in slices.items():
        rows[name]["median_ms"] = statistics.median(s["median_ms"] for s in taken)
        rows[name]["min_ms"] = min(s["min_ms"] for s in taken)
        rows[name]["slice_medians_ms"] = [round(s["median_ms"], 5) for s in taken]
        rows[name]["steps"] = sum(int(s["steps"]) for s in taken)


def measure(name: str, cores: str, options: argparse.Namespace) -> dict[str, Any]:
    """One workload with all contestants: first steps, race, memory, warm first steps."""
    work, where = workload(name), pythons(options.rival_python)
    rows: dict[str, Result] = {}
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
    race_options(parser, "torch, jax and optax")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here")
    return parser.parse_args()


def main() -> None:
    """Measure the chosen rows and print the table."""
    options = arguments()
    rows: list[Result] = []
    figures = {
        "rounds": options.rounds, "seconds": options.seconds, "peak_gflops": peak_gflops(),
        "rows": rows,
    }  # fmt: skip
    for cores in options.cores:
        for name in options.workloads:
            try:
                rows.append(measure(name, cores, options))
            except (WorkerError, DifferenceError) as error:
                raise SystemExit(f"{name}: {error}") from None
            result = keep(options.json, figures)  # even if a later row fails
    table = report.steps_page(result)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
