"""The sizes from which large eager calls are faster on kernels than with NumPy, by op.

    python -m benchmarks.eager_sizes

A row for each op and for each gradient rule (tanh′): the kernel's instructions per element, and
microseconds of NumPy / of the kernel for arrays of so many rows of 128 columns; smallest of many
runs. The thresholds in `tensor/large.py` and `compiler/eager/` are chosen from this table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.dtypes import float32
from chainrule.compiler.eager import offers
from chainrule.graph.node import Node, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.compose import compose
from chainrule.tensor import large
from chainrule.tensor.calls import Call, rule_graph
from chainrule.tensor.large import Job

_COLUMNS = 128
_ROWS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 8192)
_OPS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("add", 2, {}), ("mul", 2, {}), ("div", 2, {}), ("relu", 1, {}), ("sqrt", 1, {}),
    ("exp", 1, {}), ("tanh", 1, {}), ("sigmoid", 1, {}), ("silu", 1, {}), ("gelu", 1, {}),
    ("softplus", 1, {}), ("sum", 1, {"axes": (1,)}), ("amax", 1, {"axes": (1,)}),
    ("softmax", 1, {"axis": 1}), ("log_softmax", 1, {"axis": 1}), ("logsumexp", 1, {"axis": 1}),
    ("standardize", 1, {"axis": 1, "eps": 1e-5}),
)  # fmt: skip


def smallest(function: Callable[[], object], runs: int) -> float:
    """Microseconds of the fastest run."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best * 1e6


def jobs(name: str, arity: int, attrs: dict[str, Any], rows: int) -> dict[str, tuple[Job, Any]]:
    """The op and its gradient rule on arrays of `rows` rows, with their values."""
    rng = np.random.default_rng(0)
    kind = Type(float32, (rows, _COLUMNS))
    call = Call(TABLE[name], (kind,) * arity, attrs)
    call.size = rows * _COLUMNS
    meaning = call.compute.function if isinstance(call.compute, Job) else call.compute
    values = [rng.normal(size=kind.shape).astype(np.float32) ** 2 + 1 for _ in range(arity)]
    out = np.asarray(meaning(*values))
    wanted = (True,) * arity
    node = Node(call.op, tuple([input_node(kind)] * arity), attrs, call.type)
    rule = compose(*rule_graph(node, call.saves, wanted, None))
    ct = rng.normal(size=out.shape).astype(np.float32)
    return {
        name: (Job(call, meaning, print), values),
        f"{name}′": (Job(call, rule, print, wanted), [ct, *call.keep((*values, out))]),
    }


def compared(job: Job, values: list[Any], runs: int) -> str:
    """Microseconds of NumPy / of the kernel."""
    native = offers.native(job)
    numpy = smallest(lambda: job.function(*values), runs)
    if native is None:
        return f"{numpy:.1f}/-"
    return f"{numpy:.1f}/{smallest(lambda: native(*values), runs):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager_sizes")
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    large.known = None  # nothing but NumPy until it is asked for
    print(f"{'rows':16s}", *[f"{rows:>14d}" for rows in _ROWS])
    with np.errstate(all="ignore"):
        for op in _OPS:
            found = [jobs(*op, rows) for rows in _ROWS]
            for name in found[0]:
                print(f"{name:16s}", *[f"{compared(*each[name], runs):>14s}" for each in found])


if __name__ == "__main__":
    main()
