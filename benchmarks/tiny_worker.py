"""The worker of `benchmarks.eager`: times one library's tiny operations on command.

The driver starts `python -m benchmarks.tiny_worker torch-eager`; on the line
`{"do": "slice", "seconds": 0.05}` it answers the microseconds of a call of each operation.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.workloads.tiny_ops import MAKERS


def microseconds(call: Callable[[], Any], seconds: float) -> float:
    """The fastest of the short batches that fit into `seconds`, for each call."""
    for _ in range(20):
        call()
    best, batch = float("inf"), 20
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(batch):
            call()
        best = min(best, (time.perf_counter() - start) / batch)
    return best * 1e6


def main() -> None:
    """Answer commands until the input ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        calls = MAKERS[sys.argv[1]]()
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            seconds = json.loads(line)["seconds"]
            times = {name: microseconds(call, seconds) for name, call in calls.items()}
            print(json.dumps(times), file=answers, flush=True)


if __name__ == "__main__":
    main()
