"""Whatever a kernel cannot read where it is gets an array of its own."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from tests.compiler.running import agree

RNG = np.random.default_rng(3)
f64 = dtypes.float64


def draw(*shape):
    return RNG.normal(size=shape)


def full(b, *shape, value=2):
    return b("full", value=value, dtype=f64, shape=shape)


def part(b, x, start, step, shape):
    return b("slice", x, start=start, step=step, shape=shape)


PRODUCTS = {
    "constants": lambda b, x: b("matmul", full(b, 3, 12), x),
    "a repeated number": lambda b, x: b(
        "matmul",
        x,
        b("broadcast_to", b("reshape", b("sum", x, axes=(0, 1)), shape=(1, 1)), shape=(10, 4)),
    ),
    "no unit stride": lambda b, x: b(
        "matmul", part(b, x, (0, 0), (3, 2), (4, 5)), part(b, x, (11, 9), (-2, -3), (5, 3))
    ),
    "a row backwards": lambda b, x: b(
        "matmul", x, b("transpose", part(b, x, (0, 9), (1, -1), (12, 10)), axes=(1, 0))
    ),
    "a ramp": lambda b, x: b("matmul", x, b("iota", dtype=f64, shape=(10, 3), axis=0)),
    "a ramp turned": lambda b, x: b(
        "matmul",
        x,
        b(
            "reshape",
            b("transpose", b("iota", dtype=f64, shape=(2, 15), axis=1), axes=(1, 0)),
            shape=(10, 3),
        ),
    ),
    "size one": lambda b, x: b(
        "matmul", part(b, x, (0, 3), (1, 1), (12, 1)), part(b, x, (2, 0), (1, 2), (1, 5))
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_operands_of_products(name):
    agree(PRODUCTS[name], draw(12, 10))


@pytest.mark.parametrize(
    "axes", [(0, 1, 2, 3, 4), (2, 0, 1, 3, 4), (1, 0, 2, 4, 3), (2, 1, 0, 4, 3)]
)
def test_products_over_many_batch_axes(axes):
    def build(b, x, y, bias):
        moved = b("transpose", x, axes=axes)
        *batch, _, k = moved.shape
        y = b("broadcast_to", b("reshape", y, shape=(1, 1, *y.shape)), shape=(*batch, *y.shape[1:]))
        y = part(b, y, (0,) * 5, (1,) * 5, (*batch, k, 4)) if k < 6 else y
        out = b("matmul", moved, y)
        return b("tanh", b("add", out, b("broadcast_to", bias, shape=out.shape)))

    agree(build, draw(2, 3, 2, 5, 6), draw(1, 6, 4), draw(4))


def test_epilogues_over_axes_that_the_product_has_not():
    def build(b, x, w, wide, index):
        out = b("reshape", b("matmul", x, w), shape=(2, 3, 4))
        along = b("broadcast_to", b("reshape", wide, shape=(2, 1, 4)), shape=(2, 3, 4))
        rows = b("gather", wide, index)
        return b("add", b("mul", out, along), rows)

    agree(build, draw(6, 5), draw(5, 4), draw(2, 4), np.array([[0, 1, 1], [1, 0, 1]]))


def test_indices_and_tables():
    def build(b, x, index):
        turned = b("transpose", index, axes=(1, 0))
        ramp = b("iota", dtype=dtypes.int64, shape=(2, 3), axis=0)
        flat = b("reshape", turned, shape=(6,))
        small = b("add", index, b.full(1, index))
        return (
            b("gather", x, turned),
            b("gather", b("transpose", x, axes=(1, 0)), ramp),
            b("gather", full(b, 5, 2), flat),
            b("gather", x, b("remainder", small, b.full(3, small))),
            b("gather", b("mul", x, x), index),
            b("gather", part(b, x, (4, 3), (-1, -2), (5, 2)), index),
            b(
                "scatter_add",
                part(b, x, (0, 0), (1, 2), (3, 2)),
                part(b, flat, (5,), (-2,), (3,)),
                rows=4,
            ),
            b("scatter_add", full(b, 3, 2, 2), turned, rows=5),
            b(
                "scatter_add",
                b("transpose", x, axes=(1, 0)),
                b("full", value=1, dtype=dtypes.int64, shape=(4,)),
                rows=2,
            ),
        )

    agree(build, draw(5, 4), np.array([[0, 1, 2], [2, 3, 1]]))


def test_a_gather_does_not_join_what_computes_its_table_or_index():
    def build(b, x, index):
        table = b("exp", x)
        sums = b("sum", table, axes=(1,))
        places = b("remainder", b("mul", index, index), b.full(6, index))
        rows = b("gather", table, places)
        return b("mul", rows, table), b("gather", sums, places), b("mul", b("tanh", rows), rows)

    agree(build, draw(6, 7), np.array([5, 1, 2, 3, 4, 0]))


def test_parts_of_a_concat():
    def build(b, x, y):
        left, right = b("exp", x), b("tanh", y)
        whole = b("concat", left, right, axis=1)
        flat = b("reshape", left, shape=(24,))
        product = b("matmul", b("transpose", right, axes=(1, 0)), left)
        outer = b("concat", whole, b("concat", right, left, axis=1), axis=0)
        return (
            whole,
            b("sum", flat, axes=(0,)),
            product,
            b("softmax", left, axis=0),
            b("neg", outer),
        )

    agree(build, draw(4, 6), draw(4, 3))


def test_a_copy_that_does_not_fit_its_place():
    def build(b, x, y):
        turned = b("reshape", b("transpose", b("exp", x), axes=(1, 0)), shape=(12, 2))
        return b("mul", b("concat", turned, y, axis=1), full(b, 12, 5))

    agree(build, draw(4, 6), draw(12, 3))


def test_attention_of_constants_and_slices():
    def build(b, x):
        q = part(b, x, (0, 0, 6, 0), (1, 1, -2, 1), (2, 2, 3, 4))
        node = b(
            "attention",
            q,
            full(b, 2, 2, 5, 4),
            part(b, x, (0, 0, 0, 3), (1, 1, 1, -3), (2, 2, 5, 2)),
            scale=1.0,
            causal=False,
        )
        return b("project", node, index=0), b("project", node, index=1)

    agree(build, draw(2, 2, 7, 4))


def test_costly_work_reads_long_vectors():
    """The optimiser reads a convolution's weight gradient in another order of axes."""

    def build(b, grad, state):
        turned = b("transpose", b("reshape", grad, shape=(40, 3, 64)), axes=(0, 2, 1))
        return b("div", state, b("sqrt", b("mul", turned, turned)))

    plan = agree(build, draw(40, 192), draw(40, 64, 3))
    assert plan.kernels == 2  # a copy, and one loop over all elements


def test_a_copy_is_made_once():
    """Windows that a product reads as one matrix are copied straight into it."""

    def build(b, x, w):
        seen = b("windows", x, axes=(1,), size=(3,), step=(2,), dilation=(1,))
        return b("matmul", b("reshape", seen, shape=(64 * 99, 3)), w)

    assert agree(build, draw(64, 199), draw(3, 5)).kernels == 2
