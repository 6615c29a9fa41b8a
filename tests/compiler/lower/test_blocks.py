"""Loops whose rows do not meet run in blocks of rows; all others stay whole. Same results."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.compiler.lower.blocks import blocks_of
from chainrule.compiler.lower.schedule import Repeat
from chainrule.compiler.pipeline import compile_graph
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.trace.capture import capture
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.tensor.dispatch import apply
from tests.compiler.loops import Loop, with_gradients
from tests.compiler.running import captured, interpreted, native

B, T, H = 20, 7, 6
RNG = np.random.default_rng(0)


def graph_of(step, carries, xs, *fixed, reverse=False):
    """The loop of `step(carries, x, *fixed)` as a graph with values."""
    tensors = [cr.tensor(v) for v in (*carries, xs, *fixed)]
    count = len(carries)

    def run():
        def body(state, x):
            return step(state, x, *tensors[count + 1 :])

        return cr.scan(body, tuple(tensors[:count]), tensors[count], reverse=reverse)

    found = capture(run, (), {}, keep_grads=False)
    values = [np.asarray(handle._value) for handle in found.states]
    graph = found.captured.graph
    return Loop(type(graph)(graph.inputs, graph.outputs[: found.captured.results]), values)


def draw(*shape):
    return RNG.normal(0, 0.5, shape)


def lstm(state, x, w, b):
    h, c = state
    i, f, g, o = (x + h @ w + b).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h, c), (h, x * 2)


def masked(state, x, w, mask):
    (h,) = state
    new = cr.where(mask > 0, (h @ w + x[:, :H]).tanh(), h)
    return (new,), new.sum(-1)


def attending(state, x, memory, w):
    """Row by row: each has a memory of its own."""
    (h,) = state
    scores = (memory @ (h @ w).unsqueeze(2)).squeeze(2)
    seen = (F.softmax(scores, -1).unsqueeze(1) @ memory).squeeze(1)
    h = (seen + x[:, :H]).tanh()
    return (h,), cr.cat([h, scores], -1)


def unread(state, x, w):
    """A carry that nothing reads but the outside, and one that is a counter for each row."""
    h, _, count = state
    return ((h @ w).tanh(), x[:, :H] + h, count + 1), None


GOOD = {
    "lstm": (lstm, [(B, H), (B, H)], [(H, 4 * H), (4 * H,)]),
    "masked": (masked, [(B, H)], [(H, H), (B, 1)]),
    "attending": (attending, [(B, H)], [(B, 5, H), (H, H)]),
    "unread": (unread, [(B, H), (B, H), (B,)], [(H, H)]),
}


def made(name, *, reverse):
    step, carries, fixed = GOOD[name]
    shapes = [*carries], (T, B, 4 * H), fixed
    return graph_of(
        step,
        [draw(*s) for s in shapes[0]],
        draw(*shapes[1]),
        *(draw(*s) for s in shapes[2]),
        reverse=reverse,
    )


def blocks(given):
    plan = compile_graph(captured(given.graph)).plan
    return [u.work.blocks for u in plan.units if isinstance(u.work, Repeat)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", GOOD)
def test_rows_that_do_not_meet_run_in_blocks(name, reverse):
    given = with_gradients(made(name, reverse=reverse))
    assert blocks(given) == [4, 4]
    want = evaluate(*given)
    for run in (native, interpreted):
        for a, b in zip(run(*given), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


def test_any_number_of_threads_gives_the_same_bits():
    given, before = with_gradients(made("lstm", reverse=False)), get_num_threads()
    try:
        runs = []
        for threads in (1, 2):
            cr.set_num_threads(threads)
            runs.append(native(*given))
    finally:
        cr.set_num_threads(before)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def numbered(h):
    """The number of each row, counted where it is needed."""
    return apply(TABLE["iota"], dtype=h.dtype, shape=h.shape, axis=0)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda h, w: h @ w + h.sum(0), id="a sum over rows"),
        pytest.param(lambda h, w: h @ w + h.flip(0), id="other rows"),
        pytest.param(lambda h, w: h @ (h.t() @ h @ w), id="rows on both sides"),
        pytest.param(lambda h, w: F.dropout(h @ w, 0.5), id="random numbers"),
        pytest.param(lambda h, w: cr.cat([h[10:], h[:10]]) @ w, id="rows that move"),
        pytest.param(lambda h, w: h @ w + numbered(h), id="numbers of rows"),
    ],
)
def test_rows_that_meet_stay_together(step):
    def body(state, x, w):
        return (step(state[0], w) + x,), None

    given = graph_of(body, [draw(B, H)], draw(T, B, H), draw(H, H))
    assert blocks(given) == [1]


@pytest.mark.parametrize(
    ("rows", "count"),
    [(1, 1), (7, 1), (8, 2), (12, 2), (20, 4), (32, 4), (33, 3), (37, 1), (64, 8), (2048, 16)],
)
def test_blocks_are_equal_and_have_enough_rows(rows, count):
    assert blocks_of(rows) == count
