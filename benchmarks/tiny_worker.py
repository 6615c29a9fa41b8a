"""The worker of `benchmarks.eager`: times one library's tiny or large operations on command.

The driver starts `python -m benchmarks.tiny_worker torch-eager tiny`; on the line
`{"do": "slice", "seconds": 0.05}` it answers the microseconds of a call of each operation.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.workloads import large_ops, tiny_ops

_MAKERS: dict[str, dict[str, Callable[[], tiny_ops.Calls]]] = {
    "tiny": tiny_ops.MAKERS,
    "large": large_ops.MAKERS,
}
_BATCH = {"tiny": 20, "large": 1}


def microseconds(call: Callable[[], Any], seconds: float, batch: int) -> float:
    """The fastest of the short batches that fit into `seconds`, for each call."""
    for _ in range(batch):
        call()
    best = float("inf")
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
        library, size = sys.argv[1:]
        calls = _MAKERS[size][library]()
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            seconds = json.loads(line)["seconds"]
            times = {
                name: microseconds(call, seconds, _BATCH[size]) for name, call in calls.items()
            }
            print(json.dumps(times), file=answers, flush=True)


if __name__ == "__main__":
    main()
