"""Our matrix products against NumPy's BLAS: NN, NT and TN, one thread each, in turns.

    python -m benchmarks.gemm [--json FILE] [--seconds 0.2]

The libraries alternate call by call in one process; medians. NT multiplies by a transposed B (a
Linear layer's forward), TN by a transposed A (its weight gradient). Operands lie in the caches as
far as they fit there, as in a training step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import report
from benchmarks.fma_peak import fma_peak_gflops, prepared
from benchmarks.output import json_option, keep
from chainrule.base.dtypes import float32
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.lower.templates.gemm import choose_tile, gemm, store_to
from chainrule.compiler.lower.templates.gemm_tile import ALayout, BLayout
from chainrule.kernel.ir import Buffer, Extent

LAYOUTS: dict[str, tuple[ALayout, BLayout]] = {
    "NN": ("mk", "kn"),
    "NT": ("mk", "nk"),
    "TN": ("km", "kn"),
}
SQUARES = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
# M, N, K of a character Transformer's step, of attention heads, of small and awkward products
OTHERS = (
    (768, 384, 128),
    (768, 512, 128),
    (768, 128, 512),
    (768, 65, 128),
    (128, 384, 768),
    (64, 64, 32),
    (64, 32, 64),
    (64, 100, 250),
    (100, 100, 100),
    (33, 77, 129),
    (16, 1024, 64),
    (1024, 16, 256),
)
Functions = dict[str, Callable[[], Any]]


def contestants(kind: str, M: int, N: int, K: int) -> tuple[Functions, np.ndarray, np.ndarray]:
    """Both products of the same arrays; and the two results."""
    a_layout, b_layout = LAYOUTS[kind]
    rng = np.random.default_rng(0)
    a = rng.normal(size=(M, K) if a_layout == "mk" else (K, M)).astype(np.float32)
    b = rng.normal(size=(K, N) if b_layout == "kn" else (N, K)).astype(np.float32)
    ours, theirs = np.zeros((M, N), np.float32), np.zeros((M, N), np.float32)
    strides = {"a_stride": a.shape[1], "b_stride": b.shape[1]}
    kernel = gemm(
        float32,
        a_layout=a_layout,
        b_layout=b_layout,
        params=(Buffer("c", float32, written=True), *map(Extent, ("c_b0", "c_b1", "c_m"))),
        epilogue=store_to("c"),
        tile=choose_tile(M, N, K, host_target(), float32, a_layout, b_layout, **strides),
        name=f"gemm_{kind}_{M}_{N}_{K}",
    )
    values = {"a": a, "b": b, "c": ours, "B0": 1, "B1": 1, "M": M, "N": N, "K": K, "c_m": N}
    values |= {f"{x}_{axis}": 0 for x in "abc" for axis in ("b0", "b1")}
    values |= {f"a_{a_layout[0]}": a.shape[1], f"b_{b_layout[0]}": b.shape[1]}
    left, right = a if a_layout == "mk" else a.T, b if b_layout == "kn" else b.T
    functions: Functions = {
        "chainrule": prepared(kernel, values),
        "numpy": lambda: np.matmul(left, right, out=theirs),
    }
    return functions, ours, theirs


def alternate(functions: Functions, seconds: float) -> dict[str, float]:
    """Median seconds of one call of each function, in turns of about 100 µs."""
    repeats: dict[str, int] = {}
    times: dict[str, list[float]] = {}
    for name, run in functions.items():
        run()
        begin = time.perf_counter()
        run()
        once = time.perf_counter() - begin
        repeats[name], times[name] = max(1, int(1e-4 / once)), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["numpy"]) < 5:
        for name, run in functions.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - begin) / repeats[name])
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(seconds: float) -> list[dict[str, Any]]:
    """A row for each kind and size: GFLOP/s of both."""
    rows = []
    sizes = [(s, s, s) for s in SQUARES] + list(OTHERS)
    with threadpool_limits(1):
        for kind in LAYOUTS:
            for M, N, K in sizes:
                functions, ours, theirs = contestants(kind, M, N, K)
                times = alternate(functions, seconds)
                np.testing.assert_allclose(ours, theirs, atol=1e-5 * K)
                rates = {name: 2 * M * N * K / t / 1e9 for name, t in times.items()}
                rows.append({"kind": kind, "M": M, "N": N, "K": K, "gflops": rates})
    return rows


def show(result: dict[str, Any]) -> str:
    """The result as a Markdown table with ratios and shares of the peak."""
    lines = []
    for row in result["rows"]:
        ours, theirs = row["gflops"]["chainrule"], row["gflops"]["numpy"]
        name = f"{row['kind']} {row['M']}×{row['N']}×{row['K']}"
        share = ours / result["peak_gflops"]
        lines.append([name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}", f"{share:.0%}"])
    head = ["M×N×K, GFLOP/s", "chainrule", "NumPy's BLAS", "ratio", "of FMA peak"]
    ratios = [r["gflops"]["chainrule"] / r["gflops"]["numpy"] for r in result["rows"]]
    mean = report.geometric_mean(ratios)
    return (
        f"{report.table(head, lines)}\n\n"
        f"Geometric mean of ratios {mean:.2f}; FMA peak {result['peak_gflops']:.1f} GFLOP/s, "
        f"one core. {report.where(result)}"
    )


def main() -> None:
    """Measure, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gemm")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each row")
    json_option(parser)
    options = parser.parse_args()
    peak = fma_peak_gflops()
    rows = measure(options.seconds)
    print(show(keep(options.json, {"peak_gflops": peak, "rows": rows})))


if __name__ == "__main__":
    main()
