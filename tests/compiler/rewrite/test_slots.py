"""Gradients of few rows: rows and slots instead of an array as large as the table."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compiler.pipeline import compile_graph
from chainrule.graph.node import Graph, Type, input_node
from tests.compiler.running import Applying, IndexStopped, agree, captured, launch

RNG = np.random.default_rng(6)
ROWS, WIDTH = 90, 20
TABLE, MEAN = RNG.normal(size=(ROWS, WIDTH)), RNG.normal(size=(ROWS, WIDTH))
INDEX = np.concatenate([RNG.integers(0, ROWS, 20), [3, 3, 0, ROWS - 1]]).reshape(4, 6)
UPDATES = RNG.normal(size=(4, 6, WIDTH))


def moving_mean(b, g, table, mean):
    """As Adam does: every row moves, whatever its gradient."""
    mean = b("add", b("mul", mean, b.full(0.9, mean)), b("mul", g, b.full(0.1, g)))
    return b("sub", table, mean), mean


def gradient(b, updates, index):
    return b("scatter_add", updates, index, rows=ROWS)


def large(plan):
    """Arrays in the arena that are as large as the table."""
    return [n for n in plan.offsets if n.array.size >= ROWS * WIDTH]


def test_an_optimiser_reads_rows():
    def build(b, updates, index, table, mean):
        return moving_mean(b, gradient(b, updates, index), table, mean)

    plan = agree(build, UPDATES, INDEX, TABLE, MEAN, replaces={0: 2, 1: 3})
    assert not large(plan)


def test_norm_and_clipping_stay_with_the_rows():
    def build(b, updates, index, table, mean):
        g = gradient(b, updates, index)
        total = b("sum", b("mul", g, g), axes=(0, 1))
        factor = b("minimum", b("rsqrt", total), b.full(1, total))
        g = b("mul", g, b("broadcast_to", factor, shape=g.shape))
        return (total, *moving_mean(b, g, table, mean))

    plan = agree(build, UPDATES, INDEX, TABLE, MEAN, replaces={1: 2, 2: 3})
    assert not large(plan)


@pytest.mark.parametrize(
    "reader",
    [
        lambda b, g: b("matmul", g, b("transpose", g, axes=(1, 0))),
        lambda b, g: b("sum", g, axes=(0, 1)),
        lambda _, g: g,
    ],
    ids=["a product", "a plain sum", "the caller"],
)
def test_others_get_the_whole_gradient(reader):
    def build(b, updates, index, table, mean):
        g = gradient(b, updates, index)
        return (reader(b, g), *moving_mean(b, g, table, mean))

    agree(build, UPDATES, INDEX, TABLE, MEAN, replaces={1: 2, 2: 3})


def test_two_tables_and_one_read_twice():
    def build(b, updates, index, table, mean):
        def half(x, start):
            rows = (2, *x.shape[1:])
            start = (start, *(0 for _ in rows[1:]))
            taken = b("slice", x, start=start, step=(1,) * len(rows), shape=rows)
            return b("reshape", taken, shape=(12, *x.shape[2:]))

        other, more = half(index, 0), half(updates, 2)
        both = b("add", gradient(b, updates, index), gradient(b, more, other))
        return (*moving_mean(b, both, table, mean), b("exp", gradient(b, more, other)))

    agree(build, UPDATES, INDEX, TABLE, MEAN, replaces={}, ulps=256)


@pytest.mark.parametrize("wrong", [-1, ROWS, 1 << 40])
def test_a_wrong_index_stops_before_anything_is_written(wrong):
    types = [(dtypes.float64, UPDATES.shape), (dtypes.int64, INDEX.shape)]
    types += [(dtypes.float64, TABLE.shape)] * 2
    inputs = tuple(input_node(Type(*t)) for t in types)
    b = Applying()
    outs = moving_mean(b, gradient(b, *inputs[:2]), *inputs[2:])
    given = captured(Graph(inputs, tuple(outs)), results=0, replaces={0: 2, 1: 3})
    values = [UPDATES.copy(), INDEX.copy(), TABLE.copy(), MEAN.copy()]
    values[1][2, 3] = wrong
    with pytest.raises(IndexStopped):
        launch(compile_graph(given), values)
    np.testing.assert_array_equal(values[2], TABLE)
    np.testing.assert_array_equal(values[3], MEAN)
