"""The flight recorder's cost: compiled training steps with and without it, in turns.

    python -m benchmarks.recorder
    python -m benchmarks.recorder --every 10 gpt_nano

`plain` and `recorded` are milliseconds a step over whole intervals of looks, with the loss read
after each step; `cost` is their difference. `look` is the extra time of one look, and `every` the
interval of looks for a cost of 3 %.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from typing import Any

from benchmarks.workloads.chainrule_steps import Step
from benchmarks.workloads.spec import workload
from chainrule.inspect import FlightRecorder

LIMIT = 0.03


def interval(step: Step, recorder: FlightRecorder | None, every: int) -> tuple[float, float]:
    """Seconds of `every` steps together, and of the examined one alone."""
    looked = 0.0
    begun = time.perf_counter()
    for _ in range(every):
        due = recorder is not None and recorder.is_due
        start = time.perf_counter()
        step.run()
        loss = step.loss()
        if recorder is not None:
            recorder.record(loss)
        if due:
            looked = time.perf_counter() - start
    return time.perf_counter() - begun, looked


def measure(name: str, every: int, rounds: int) -> dict[str, Any]:
    """One workload: intervals with and without a recorder, alternating."""
    alone, watched = Step(workload(name), "compiled"), Step(workload(name), "compiled")
    recorder = FlightRecorder(watched.model, watched.optimizer, every=every)
    for _ in range(2):  # compile both plans
        interval(alone, None, every)
        interval(watched, recorder, every)
    plain, recorded, looks = [], [], []
    for turn in range(rounds):
        for kind in ("plain", "recorded") if turn % 2 else ("recorded", "plain"):
            if kind == "plain":
                plain.append(interval(alone, None, every)[0] / every)
            else:
                whole, looked = interval(watched, recorder, every)
                recorded.append(whole / every)
                looks.append(looked)
    without, with_it = min(plain), min(recorded)
    look = statistics.median(looks) - without
    return {
        "plain": without * 1e3,
        "recorded": with_it * 1e3,
        "cost": with_it / without - 1,
        "look": look * 1e3,
        "every": math.ceil(look / (LIMIT * without)),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=["gpt_nano", "char_gru"])
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    print("| workload | plain ms | recorded ms | cost | a look ms | 3 % from every |")
    print("|---|---|---|---|---|---|")
    for name in options.names:
        row = measure(name, options.every, options.rounds)
        print(
            f"| {name} | {row['plain']:.2f} | {row['recorded']:.2f} | {row['cost']:+.1%} "
            f"| {row['look']:.1f} | {row['every']} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
