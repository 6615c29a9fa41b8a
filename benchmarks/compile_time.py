"""Seconds to the first step of a GPT as it gets deeper, with an empty and with a filled cache.

    python -m benchmarks.compile_time --layers 4 12 24 48

Each figure is the first call of a fresh process: importing the compiler, tracing, planning,
generating, loading and running the step. The model is gpt_nano's (128 wide, 12×64) at each depth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contestant import CACHE_VARIABLES, Contestant, pythons
from benchmarks.output import json_option, keep, say

RIVALS = ("torch-compile", "jax")


def first_step(who: str, layers: int, python: str, cache: Path) -> float:
    """Seconds of the first step in a fresh process."""
    with Contestant(who, f"gpt_nano@{layers}", python=python, cache=str(cache)) as contestant:
        return float(contestant.ask("first", patience=3600.0)["seconds"])


def measure(who: str, layers: int, python: str, repeats: int) -> dict[str, Any]:
    """Cold and warm first steps, the smallest of `repeats`."""
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="bench-") as cache:
            cold.append(first_step(who, layers, python, Path(cache)))
            if who in CACHE_VARIABLES:
                warm.append(first_step(who, layers, python, Path(cache)))
    say(f"{who} {layers} layers: {min(cold):.2f} s")
    return {"first_cold_s": min(cold), **({"first_warm_s": min(warm)} if warm else {})}


def main() -> None:
    """Measure every depth with every contestant and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compile_time")
    parser.add_argument("--layers", type=int, nargs="+", default=[4, 12, 24, 48])
    parser.add_argument("--rivals", nargs="*", default=[], choices=RIVALS)
    parser.add_argument("--rival-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--repeats", type=int, default=3)
    json_option(parser)
    options = parser.parse_args()
    where = pythons(options.rival_python)
    everyone = ["chainrule", *options.rivals]
    rows = [
        {
            "layers": layers,
            "contestants": {
                who: measure(who, layers, where[who], options.repeats) for who in everyone
            },
        }
        for layers in options.layers
    ]
    result = keep(options.json, {"repeats": options.repeats, "rows": rows})
    print(report.compile_table(result))


if __name__ == "__main__":
    main()
