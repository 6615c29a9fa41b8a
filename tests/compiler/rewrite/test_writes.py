"""Writing through views of one base: what is read is what was written, and costs as much."""

from __future__ import annotations

import random

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.dtypes import float32
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.rewrite.writes import forward_writes
from chainrule.compiler.trace.capture import capture
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import ordered
from tests.compiler.running import Applying, agree

b = Applying()
X, Y, BASE = (input_node(Type(float32, (n,))) for n in (4, 2, 6))


def over(base, new, start):
    return b("overlay", base, new, start=(start,), step=(1,))


def ops(*outputs):
    graph = forward_writes(Graph((X, Y, BASE), outputs))
    return [n.op.name for n in ordered(graph) if n.op.name not in ("input", "reshape")]


def test_what_was_written_is_what_is_read():
    whole = over(over(BASE, X, 0), Y, 4)
    assert ops(b("slice", whole, start=(0,), step=(1,), shape=(4,))) == []
    assert ops(b("slice", over(BASE, X, 0), start=(4,), step=(1,), shape=(2,))) == ["slice"]
    assert ops(b("slice", whole, start=(1,), step=(1,), shape=(4,))) == ["concat", "slice"]


def test_writes_that_cover_the_base_are_laid_side_by_side():
    assert ops(over(over(BASE, X, 0), Y, 4)) == ["concat"]
    assert ops(over(over(over(BASE, X, 0), Y, 4), b("neg", X), 0)) == ["neg", "concat"]
    assert ops(over(BASE, X, 0)) == ["overlay"]


def test_versions_that_are_read_are_each_made_from_the_one_before():
    node, sums = BASE, []
    for i in range(3):
        node = over(node, Y, 2 * i)
        sums.append(b("sum", node, axes=(0,)))
    assert ops(*sums).count("overlay") == 3
    assert ops(*sums[::-1]).count("overlay") == 3


def plan_of(fn, *args):
    given = capture(fn, args, {}, keep_grads=False).captured
    return plan_graph(optimize(given), host_target())


def bucket(layers, *, zero):
    """Gradients that are views of one flat array, which the step zeroes, adds to and clips."""
    cr.manual_seed(0)
    layer = [m for _ in range(layers) for m in (nn.Linear(16, 16), nn.Tanh())]
    model = nn.Sequential(*layer)
    parameters, at = list(model.parameters()), 0
    flat = cr.zeros(sum(p.numel() for p in parameters))
    for p in parameters:
        p.grad = flat[at : at + p.numel()].view_as(p)
        at += p.numel()
    optimizer = optim.AdamW(parameters)

    def step(x):
        if zero == "each":
            optimizer.zero_grad(set_to_none=False)
        elif zero == "all":
            flat.zero_()
        loss = model(x).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss

    return step, flat, parameters


@pytest.mark.parametrize("zero", ["each", "all", "no"])
def test_a_step_on_gradients_in_one_bucket_is_linear(zero):
    x = cr.randn(4, 16)
    small, large = (plan_of(bucket(n, zero=zero)[0], x) for n in (8, 32))
    assert large.kernels <= 4.2 * small.kernels
    assert large.arena_bytes <= 4.5 * small.arena_bytes


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("zero", ["each", "all"])
def test_a_step_on_gradients_in_one_bucket_does_what_eager_does(zero):
    found = []
    for compiled in (False, True):
        step, flat, parameters = bucket(3, zero=zero)
        run = cr.compile(step) if compiled else step
        cr.manual_seed(1)
        losses = [float(run(cr.randn(4, 16))) for _ in range(3)]
        found.append([losses, flat.numpy(), *(p.detach().numpy() for p in parameters)])
        assert all(p.grad._lens is not None for p in parameters)
        np.testing.assert_array_equal(
            np.concatenate([p.grad.numpy().ravel() for p in parameters]), flat.numpy()
        )
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-6)


def rows(x, n):
    base = cr.zeros(n, 8)
    for i in range(n):
        base[i] = x * float(i)
    return base


def picked(x, n):
    base, index = cr.zeros(4 * n), cr.tensor([3, 1, 2])
    for i in range(n):
        base[index] = x[:3] * float(i)
    return base


def windows(x, n):
    base = cr.zeros(n + 8)
    for i in range(n):
        base[i : i + 8] += x * float(i)
    return base


def versions(x, n):
    base, total = cr.zeros(8, 8), 0
    for i in range(n):
        base[i % 8] = x
        total = total + base.sum()
    return total


@pytest.mark.parametrize("program", [rows, versions, picked, windows])
def test_writes_move_what_is_written(program):
    x = cr.randn(8)
    small, large = (plan_of(lambda x, n=n: program(x, n), x) for n in (20, 80))
    assert large.kernels <= 4.5 * small.kernels
    arenas = [max(p.arena_bytes, 1024) for p in (small, large)]
    assert arenas[1] <= 6 * arenas[0]


def test_writes_into_a_part_of_a_state_are_written_into_it():
    state = cr.zeros(64, 8)

    def write(x):
        for i in range(8):
            state[2 * i] = x * float(i)
        return x.sum()

    x = cr.randn(8)
    assert plan_of(write, x).arena_bytes < state.numel() * 4
    want = np.zeros((64, 8), np.float32)
    want[:16:2] = np.arange(8)[:, None] * x.numpy()
    cr.compile(write)(x)
    np.testing.assert_array_equal(state.numpy(), want)


@pytest.mark.parametrize("seed", range(30))
def test_random_writes_and_reads_agree(seed):
    choose = random.Random(seed)
    shape = choose.choice([(12,), (4, 3), (3, 2, 2)])

    def region():
        if choose.random() < 0.5:
            axis = choose.randrange(len(shape))
            low = choose.randrange(shape[axis])
            sizes = [1 if i == axis else n for i, n in enumerate(shape)]
            return tuple(low if i == axis else 0 for i in range(len(shape))), tuple(sizes)
        start = tuple(choose.randrange(n) for n in shape)
        return start, tuple(choose.randint(1, n - a) for a, n in zip(start, shape, strict=True))

    def program(b, base, x):
        node, read = base, []
        step = (1,) * len(shape)
        for _ in range(choose.randint(1, 12)):
            start, size = region()
            if choose.random() < 0.5:
                part = b("slice", node, start=start, step=step, shape=size)
            else:
                part = b("slice", b("neg", x), start=start, step=step, shape=size)
            if choose.random() < 0.7:
                part = b("add", part, b.full(1.0, part))
            node = b("overlay", choose.choice([node, node, base]), part, start=start, step=step)
            if choose.random() < 0.3:
                read.append(b("sum", node, axes=tuple(range(len(shape)))))
            if choose.random() < 0.3:
                start, size = region()
                read.append(b("slice", node, start=start, step=step, shape=size))
        return [*read, node] if choose.random() < 0.5 else [node, *read, node]

    state = choose.random() < 0.5
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=shape).astype(np.float32) for _ in "bx"]
    count = None

    def build(b, *inputs):
        nonlocal count
        outs = program(b, *inputs)
        count = len(outs)
        return outs

    if state:
        choose_state = choose.getstate()
        build(b, *[input_node(Type(float32, shape)) for _ in "bx"])
        choose.setstate(choose_state)
        agree(build, *values, replaces={count - 1: 0})
    else:
        agree(build, *values)
