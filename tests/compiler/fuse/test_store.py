"""What is computed again is computed from values that still exist."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compiler.running import agree

RNG = np.random.default_rng(1)


def draw(*shape):
    return RNG.normal(size=shape)


@pytest.mark.parametrize("first", ["w", "v"])
@pytest.mark.parametrize("shape", [(4, 6), (40, 60)])
def test_a_commit_kernel_computes_nothing_again_from_an_overwritten_state(first, shape):
    def build(b, w, v, x):
        twice = b("mul", w, b.full(2, w))  # cheap: both readers might compute it
        loss = b("sum", b("mul", x, twice), axes=(0, 1))
        new_w, new_v = b("sub", w, b("tanh", x)), b("add", v, b("exp", b("mul", v, twice)))
        return (loss, new_w, new_v) if first == "w" else (loss, new_v, new_w)

    replaces = {1: 0, 2: 1} if first == "w" else {1: 1, 2: 0}
    agree(build, draw(*shape), draw(*shape), draw(*shape), replaces=replaces)


def test_what_is_cheap_is_not_stored():
    def build(b, x, bias):
        wide = b("add", x, b("broadcast_to", bias, shape=x.shape))
        return b("sum", wide, axes=(0,)), b("sum", b("tanh", wide), axes=(1,))

    plan = agree(build, draw(30, 20), draw(20))
    assert not any(n.shape == (30, 20) for n in plan.offsets)


def test_a_view_that_got_an_array_is_read_from_there():
    def build(b, x):
        cheap = b("neg", x)
        turned = b("reshape", b("transpose", cheap, axes=(1, 0)), shape=(2, 6, 5))
        return b("add", turned, b("reshape", cheap, shape=(2, 6, 5))), b("sum", turned, axes=(1,))

    agree(build, draw(5, 12))


def test_shapes_that_differ_between_where_it_is_made_and_read():
    def build(b, x, y):
        part = b("add", x, b("broadcast_to", b("reshape", y, shape=(1, 3)), shape=(2, 3)))
        flat = b("neg", b("reshape", part, shape=(6,)))
        return b("tanh", flat), b("sum", b("mul", flat, flat), axes=(0,)), b("exp", part)

    agree(build, draw(2, 3), draw(3))
