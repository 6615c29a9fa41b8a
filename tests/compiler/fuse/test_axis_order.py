"""Products kept in another order of axes, unless their array is the caller's."""

from __future__ import annotations

import numpy as np

from tests.compiler.running import agree

RNG = np.random.default_rng(2)


def draw(*shape):
    return RNG.normal(size=shape)


def heads(b, q, k):
    scores = b("matmul", q, k)
    batch, count, rows, columns = scores.shape
    merged = b("transpose", scores, axes=(0, 2, 1, 3))
    return scores, b("reshape", merged, shape=(batch, rows, count * columns))


def test_a_transposing_reshape_costs_no_kernel():
    plan = agree(lambda b, q, k: b("neg", heads(b, q, k)[1]), draw(2, 3, 4, 5), draw(2, 3, 5, 8))
    assert plan.kernels == 2


def test_a_product_that_is_a_result_stays_in_order():
    agree(heads, draw(2, 3, 4, 5), draw(2, 3, 5, 8))

    def update(b, q, k, state):
        scores, merged = heads(b, q, k)
        return merged, b("add", state, scores)

    agree(update, draw(2, 3, 4, 5), draw(2, 3, 5, 8), draw(2, 3, 4, 8), replaces={1: 2})


def test_more_axes_than_kernels_have():
    def build(b, q, k):
        scores = b("matmul", q, k)
        moved = b("transpose", scores, axes=(2, 0, 3, 1, 4))
        return b("reshape", moved, shape=(4, 6, 6))

    agree(build, draw(2, 3, 4, 3, 5), draw(2, 3, 4, 5, 2))


def test_other_readers_of_what_is_kept_in_another_order():
    def build(b, q, k, w):
        scores, merged = heads(b, q, k)
        flat = b("reshape", scores, shape=(48, 4))
        return (
            merged,
            b("sum", flat, axes=(0,)),
            b("matmul", scores, w),
            b("softmax", scores, axis=3),
        )

    agree(build, draw(2, 3, 8, 5), draw(2, 3, 5, 4), draw(2, 3, 4, 2))
