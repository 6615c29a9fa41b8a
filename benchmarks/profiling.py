"""The profile's cost: training steps with and without it, in turns.

    python -m benchmarks.profiling
    python -m benchmarks.profiling --steps 20 gpt_nano

For each workload, eager and compiled: `plain` and `profiled` are milliseconds a step, the minimum
of the rounds; `cost` is their difference, `own` the part of it that the profile counts as its own
and charges to no line.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import chainrule as cr
from benchmarks.workloads.chainrule_steps import Step
from benchmarks.workloads.spec import workload

NAMES = ("window", "mlp", "lstm_lm", "gpt_nano")


def seconds_of(step: Step, steps: int) -> float:
    """Seconds a step, with its loss read."""
    start = time.perf_counter()
    for _ in range(steps):
        step.run()
        step.loss()
    return (time.perf_counter() - start) / steps


def measure(name: str, mode: str, steps: int, rounds: int) -> dict[str, Any]:
    """One workload: rounds with and without a profile, alternating."""
    step = Step(workload(name), mode)
    seconds_of(step, 3)  # compile
    plain, profiled = [], []
    for _ in range(rounds):
        plain.append(seconds_of(step, steps))
        with cr.profile() as p:
            profiled.append(seconds_of(step, steps))
        own = p.own_seconds / steps
    without, with_it = min(plain), min(profiled)
    return {
        "plain": 1e3 * without,
        "profiled": 1e3 * with_it,
        "cost": with_it / without - 1,
        "own": own / without,
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| workload | mode | plain ms | profiled ms | cost | own |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in options.names:
        for mode in ("eager", "compiled"):
            row = measure(name, mode, options.steps, options.rounds)
            print(
                f"| {name} | {mode} | {row['plain']:.3f} | {row['profiled']:.3f} "
                f"| {row['cost']:+.0%} | {row['own']:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
