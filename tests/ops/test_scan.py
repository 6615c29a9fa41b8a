from __future__ import annotations

import numpy as np
import pytest

from chainrule.graph.node import Graph
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.control import items
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import directions, generator, gradient, inner, slope
from tests.ops.cell import cell, nodes


def looped(length: int, *, reverse: bool, history: bool) -> Graph:
    h, x, w = nodes((2, 3), (length, 2, 3), (3, 3))
    b = Symbolic()
    attrs = {"length": length, "reverse": reverse, "history": history}
    out = b(TABLE["scan"], h, x, w, graph=cell(), carries=1, xs=1, **attrs)
    return Graph((h, x, w), tuple(items(b, out)))


def unrolled(length: int, *, reverse: bool) -> Graph:
    h, x, w = nodes((2, 3), (length, 2, 3), (3, 3))
    b = Symbolic()
    state, ys, before = h, {}, {}
    for t in reversed(range(length)) if reverse else range(length):
        step = b(TABLE["slice"], x, start=(t, 0, 0), step=(1, 1, 1), shape=(1, 2, 3))
        before[t] = b(TABLE["reshape"], state, shape=(1, 2, 3))
        flat = b(TABLE["reshape"], step, shape=(2, 3))
        state = b(TABLE["tanh"], b(TABLE["add"], b(TABLE["matmul"], state, w), flat))
        ys[t] = b(TABLE["reshape"], state, shape=(1, 2, 3))
    stacks = [b(TABLE["concat"], *(s[t] for t in range(length)), axis=0) for s in (ys, before)]
    return Graph((h, x, w), (state, *stacks))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_scan_is_its_unrolled_loop(length, reverse, order):
    """Values, gradients and gradients of gradients, the history's cotangents included."""
    rng = generator("scan")
    one = looped(length, reverse=reverse, history=True)
    other = unrolled(length, reverse=reverse)
    values = directions(rng, list(one.inputs))
    for _ in range(order):
        backs = gradient(one), gradient(other)
        assert backs[0].moving == backs[1].moving
        one, other = (back.graph for back in backs)
        values += directions(rng, list(one.inputs[len(values) :]))
    for got, want in zip(evaluate(one, values), evaluate(other, values), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


def test_history_can_be_asked_for_or_recomputed():
    rng = generator("history")
    plain, kept = (looped(4, reverse=False, history=h) for h in (False, True))
    values = directions(rng, list(plain.inputs))
    weights = directions(rng, list(plain.outputs))
    results = [
        evaluate(back.graph, (*values, *weights))
        for back in (gradient(plain), gradient(kept, [0, 1]))
    ]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_gradient_of_a_scan_does_not_grow_with_its_length():
    sizes = {
        len(topological(gradient(looped(n, reverse=False, history=True)).graph.outputs))
        for n in (2, 50, 1000)
    }
    assert len(sizes) == 1


def test_a_carry_that_passes_through_unchanged():
    h, x = nodes((2,), (2,))
    b = Symbolic()
    body = Graph((h, x), (h, b(TABLE["mul"], h, x)))
    h0, xs = nodes((2,), (3, 2))
    out = b(
        TABLE["scan"], h0, xs,
        graph=body, carries=1, xs=1, length=3, reverse=False, history=False,
    )  # fmt: skip
    graph = Graph((h0, xs), tuple(items(b, out)))
    rng = generator("pass")
    values, weights = directions(rng, list(graph.inputs)), directions(rng, list(graph.outputs))
    moves = dict(enumerate(directions(rng, list(graph.inputs))))
    claimed = evaluate(gradient(graph).graph, (*values, *weights))
    measured = slope(graph, values, moves, dict(enumerate(weights)))
    assert inner(claimed, list(moves.values())) == pytest.approx(measured, rel=1e-9)
