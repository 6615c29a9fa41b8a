"""Compiling is linear in the program, by counts; programs of any length agree with eager."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.settings import settings
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.lower.schedule import works
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.trace.capture import capture


def elementwise(n):
    def run(x):
        for i in range(n // 3):
            x = cr.relu(x * 0.999 + 0.01 * (i % 2))
        return x

    return run, cr.randn(4, 8)


def newton(n):
    def run(x):
        y = x * 0 + 1
        for _ in range(n // 3):
            y = 0.5 * (y + x / y)
        return y

    return run, cr.full((3,), 0.5)


def sines(n):
    def run(x):
        for _ in range(n):
            x = cr.sin(x)
        return x

    return run, cr.randn(4, 8)


def softmaxes(n):
    def run(x):
        for _ in range(n // 5):
            x = x + F.softmax(x, -1)
        return x

    return run, cr.randn(4, 300)


def less_their_means(n):
    def run(x):
        for _ in range(n // 2):
            x = x - x.mean(0)
        return x

    return run, cr.randn(4, 8)


def residual(n):
    weights = [(0.1 * cr.randn(8, 8)).requires_grad_() for _ in range(n // 20)]
    optimizer = optim.AdamW(weights)

    def run(x):
        optimizer.zero_grad()
        for w in weights:
            x = x + cr.tanh(x @ w)
        loss = x.square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        return loss

    return run, cr.randn(4, 8)


def wide(n):
    def run(*parts):
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total, cr.cat(parts)

    return run, *(cr.ones(8) for _ in range(n // 2))


def many_results(n):
    def run(x):
        return [cr.exp(x) * float(i) for i in range(n)]

    return run, cr.randn(8)


def split_and_joined(n):
    def run(x):
        parts = cr.cat([part.sin() for part in x.split(2)]).split(2)
        return cr.cat([part * 2.0 for part in parts])

    return run, cr.randn(n)


def body_of_a_loop(n):
    def run(x):
        def step(h, _):
            for _ in range(n):
                h = cr.sin(h)
            return h, h

        return cr.scan(step, x, cr.zeros(3, 8))

    return run, cr.randn(8)


def state(n):
    weight = cr.randn(8)

    def run(x):
        y = weight * x
        for _ in range(n):
            y = cr.sin(y)
        weight.copy_(y)
        return x + 1

    return run, cr.randn(8)


PROGRAMS = [
    elementwise, newton, sines, softmaxes, less_their_means, residual, wide, many_results,
    split_and_joined, body_of_a_loop, state,
]  # fmt: skip


class Count:
    """Function calls of this package, which grow with whatever the compiler does."""

    def __init__(self):
        self.calls = 0

    def __call__(self, frame, event, argument):  # noqa: ARG002 - the signature
        self.calls += event == "call"


def cost(program, n):
    """Calls of Python functions for tracing and planning, kernels, and lines of code of all."""
    fn, *args = program(n)
    count = Count()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        given = capture(fn, tuple(args), {}, keep_grads=False).captured
        plan = plan_graph(optimize(given), host_target())
    finally:
        sys.setprofile(before)
    kernels = dict.fromkeys(work.kernel for work in works(plan.units))
    lines = [emit(k, host_target(), "k").count("\n") for k in kernels]
    return count.calls, plan.kernels, sum(lines), max(lines)


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_the_compiler_does_grows_as_the_program_does(program, monkeypatch):
    monkeypatch.setattr("chainrule.compiler.lower.remember._known", {})
    calls, kernels, lines, longest = cost(program, 300)
    monkeypatch.setattr("chainrule.compiler.lower.remember._known", {})
    more_calls, more_kernels, more_lines, still_longest = cost(program, 1200)
    assert more_calls <= 4.6 * calls
    assert more_kernels <= 4.4 * kernels + 4
    assert more_lines <= 4.4 * lines
    assert max(longest, still_longest) <= 20_000


CODE = """
import chainrule as cr
{setup}
"""
LONG = {
    "a recurrence whose result requires grad": """
k = cr.full((4,), 1.5, requires_grad=True)
def run(k):
    x = k * 0.1
    for _ in range(300):
        x = x + 0.01 * (k * x - x * x)
    return x.sum()
cr.compile(run)(k).backward()
assert k.grad.isfinite().all()
""",
    "two thousand steps of Newton": """
def run(a):
    y = a * 0 + 1
    for _ in range(2000):
        y = 0.5 * (y + a / y)
    return y
assert abs(cr.compile(run)(cr.full((3,), 0.5)) ** 2 - 0.5).max() < 1e-6
""",
    "a thousand products": """
w = [cr.eye(8) for _ in range(1000)]
def run(x):
    for each in w:
        x = x @ each
    return x
assert (cr.compile(run)(cr.ones(4, 8)) == 1).all()
""",
}


@pytest.mark.parametrize("name", LONG)
def test_long_programs_compile_at_all(name):
    code = CODE.format(setup=LONG[name])
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def random_program(seed, size):
    """Elementwise work and reductions of rows and columns, of about `size` operations."""

    def run(x, y):
        choose, values = random.Random(seed), [x, y]
        for _ in range(size):
            a = values[-1 - min(choose.randrange(1 + choose.randrange(6)), len(values) - 1)]
            b = choose.choice(values[-8:])
            kind = choose.randrange(9)
            if kind < 3:
                new = (a * 0.5 + b * 0.5, cr.maximum(a, b), a - 0.3 * b)[kind]
            elif kind < 6:
                new = (cr.tanh(a), cr.sin(a), cr.exp(-a * a))[kind - 3]
            elif kind == 6:
                new = a - a.mean(-1, keepdim=True)
            elif kind == 7:
                new = F.softmax(a, -1) + b
            else:
                new = 0.5 * a + 0.1 * b.sum(0)
            values.append(cr.clamp(new, -2.0, 2.0) if choose.random() < 0.2 else cr.tanh(new))
        return values[-1], values[len(values) // 2], values[-1].sum()

    return run


@pytest.mark.parametrize("size", [1, 2, 7, 40, 150, 500])
def test_random_programs_of_any_length_agree(size):
    assert settings().check  # graphs are verified after every pass
    for seed in range(3 if size < 100 else 1):
        run = random_program(seed, size)
        cr.manual_seed(seed)
        shape = [(3, 5), (2, 70), (1, 300)][seed % 3]
        x, y = (cr.randn(*shape, dtype=cr.float64) for _ in "xy")
        for got, want in zip(cr.compile(run)(x, y), run(x, y), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6, atol=1e-7)
