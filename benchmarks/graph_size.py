"""Seconds to compile a program as it gets longer: the first call of a fresh process.

    python -m benchmarks.graph_size --sizes 1000 2000 5000 10000

Each figure is one call with an empty cache, after the import of the compiler: tracing, planning,
generating, loading and running the program. Sizes are approximate numbers of operations; time
that grows faster than the size shows as more than the factor between two columns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks import report
from benchmarks.output import json_option, keep, say

Program = tuple[Callable[..., Any], tuple[Any, ...]]  # a function and its arguments


def elementwise(size: int) -> Program:
    """A chain of multiplications, additions and maxima."""
    import chainrule as cr

    def run(x: Any) -> Any:
        for i in range(size // 3):
            x = cr.relu(x * 0.999 + 0.01 * (i % 2))
        return x

    return run, (cr.ones(64, 64),)


def sines(size: int) -> Program:
    """A chain of sines."""
    import chainrule as cr

    def run(x: Any) -> Any:
        for _ in range(size):
            x = cr.sin(x)
        return x

    return run, (cr.ones(64, 64),)


def residual(size: int) -> Program:
    """x + tanh(x @ w), forward, backward and AdamW: about 20 operations a layer."""
    import chainrule as cr
    from chainrule import optim

    weights = [(0.1 * cr.randn(16, 16)).requires_grad_() for _ in range(size // 20)]
    optimizer = optim.AdamW(weights)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        for w in weights:
            x = x + cr.tanh(x @ w)
        loss = x.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (cr.ones(8, 16),)


def softmaxes(size: int) -> Program:
    """x + softmax(x): about 5 operations a step, 3 passes over each row."""
    import chainrule as cr
    import chainrule.nn.functional as F

    def run(x: Any) -> Any:
        for _ in range(size // 5):
            x = x + F.softmax(x, -1)
        return x

    return run, (cr.randn(8, 64),)


def wide_sum(size: int) -> Program:
    """The sum of as many arguments."""
    import chainrule as cr

    def run(*parts: Any) -> Any:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    return run, tuple(cr.ones(8) for _ in range(size))


def bucket(size: int) -> Program:
    """Gradients that are views of one array are zeroed, added to and clipped: 16 a parameter."""
    import chainrule as cr
    from chainrule import nn

    count = size // 16
    flat = cr.zeros(count, 64)
    weights = [cr.randn(64).requires_grad_() for _ in range(count)]
    for w, row in zip(weights, flat, strict=True):
        w.grad = row

    def step(x: Any) -> Any:
        for w in weights:
            w.grad.zero_()
        loss = sum([(w * x).sum() for w in weights])
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        return loss

    return step, (cr.ones(64),)


PROGRAMS: dict[str, Callable[[int], Program]] = {
    "elementwise chain": elementwise,
    "sines": sines,
    "residual network, a training step": residual,
    "softmaxes": softmaxes,
    "sum of as many arguments": wide_sum,
    "gradients in one bucket": bucket,
}


def first_call(name: str, size: int) -> float:
    """Seconds of the first call in this process."""
    import chainrule as cr

    cr.compile(lambda x: x + 1)(cr.ones(1))  # the compiler is imported, LLVM is there
    run, arguments = PROGRAMS[name](size)
    compiled = cr.compile(run, keep_grads=True)
    start = time.perf_counter()
    compiled(*arguments)
    return time.perf_counter() - start


def measured(name: str, size: int, repeats: int) -> float:
    """The smallest of several fresh processes with empty caches."""
    seconds = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="bench-") as cache:
            command = [sys.executable, "-m", "benchmarks.graph_size", "--only", name]
            environment = {**os.environ, "CHAINRULE_CACHE_DIR": cache}
            done = subprocess.run(
                [*command, "--sizes", str(size)],
                capture_output=True, text=True, check=True, env=environment,
            )  # fmt: skip
            seconds.append(float(done.stdout))
    say(f"{name} {size}: {min(seconds):.2f} s")
    return min(seconds)


def main() -> None:
    """Measure every program at every size and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph_size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 5000, 10000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=PROGRAMS, help=argparse.SUPPRESS)
    json_option(parser)
    options = parser.parse_args()
    if options.only:
        print(first_call(options.only, options.sizes[0]))
        return
    programs = {
        name: {size: measured(name, size, options.repeats) for size in options.sizes}
        for name in PROGRAMS
    }
    rows = [{"program": name, "seconds": seconds} for name, seconds in programs.items()]
    result = keep(options.json, {"sizes": options.sizes, "rows": rows})
    print(report.sizes_table(json.loads(json.dumps(result))))


if __name__ == "__main__":
    main()
