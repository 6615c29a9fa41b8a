"""States are written over only where nobody can miss the old value."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.dtypes import float32, int64
from chainrule.compiler.pipeline import compile_graph
from chainrule.graph.node import Graph, Type, input_node
from tests.compiler.running import Applying, IndexStopped, agree, captured, launch

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def in_place(plan) -> int:
    """How many kernels write a state in the commit phase without being plain copies."""
    return sum(u.late and bool(u.work.reads & u.work.writes) for u in plan.units)


def test_an_optimizer_step_is_written_over_its_states():
    def build(b, w, m, g):
        new_m = b("add", b("mul", m, b.full(0.9, m)), g)
        return b("sum", g, axes=(0,)), b("sub", w, b("mul", new_m, b.full(0.1, m))), new_m

    plan = agree(build, draw(6, 5), draw(6, 5), draw(6, 5), replaces={1: 0, 2: 1})
    assert in_place(plan) >= 1
    assert not any(n.shape == (6, 5) for n in plan.offsets)  # nothing waits in the arena


def test_a_state_that_is_read_elsewhere_than_it_is_written():
    def turned(b, a):
        return (b("add", a, b("transpose", a, axes=(1, 0))),)

    def mirrored(b, a):
        attrs = {"start": (4, 0), "step": (-1, 1), "shape": (5, 5)}
        return (b("mul", a, b("slice", a, **attrs)),)

    for build in (turned, mirrored):
        assert in_place(agree(build, draw(5, 5), replaces={0: 0})) == 0


def test_work_that_an_early_kernel_shares_does_not_keep_a_state_from_being_written_over():
    def build(b, w, g):
        step = b("tanh", g)
        return b("sum", b("mul", step, step), axes=(0,)), b("sub", w, step)

    assert in_place(agree(build, draw(50), draw(50), replaces={1: 0})) == 1


def test_states_that_read_each_other():
    def crosswise(b, x, y):
        return b("add", x, y), b("sub", y, x)

    def in_turn(b, x, y):
        new = b("mul", x, y)
        return new, b("add", y, new)

    def exchanged(b, x, y):  # noqa: ARG001 - as the others
        return y, x

    def chained(b, x, y):
        return b("tanh", y), b("add", b("mul", x, x), y)

    for build in (crosswise, in_turn, exchanged, chained):
        agree(build, draw(40), draw(40), replaces={0: 0, 1: 1})


def test_new_values_that_are_results_too():
    def build(b, w, g):
        new = b("sub", w, g)
        return new, w, b("sum", b("mul", new, new), axes=(0,)), new

    agree(build, draw(33), draw(33), replaces={3: 0})


def test_one_value_for_two_states_and_a_state_that_stays():
    def build(b, v, w, u):
        new = b("add", v, w)
        return new, new, u

    agree(build, draw(9), draw(9), draw(9), replaces={0: 0, 1: 1, 2: 2})


def test_a_state_of_another_dtype_or_size_one():
    def build(b, count, x):
        one = b("full", value=1, dtype=count.dtype, shape=())
        new = b("add", count, one)
        rate = b("cast", new, dtype=x.dtype)
        wide = b("broadcast_to", rate, shape=x.shape)
        return b("mul", x, wide), new, b("sub", x, wide)

    agree(build, np.array(3), draw(4, 3), replaces={1: 0, 2: 1})


@pytest.mark.parametrize("late", [True, False])
def test_an_index_that_is_a_new_state(late):
    def build(b, index, table):
        new = b("add", index, b.full(1, index))
        rows = b("gather", table, new if late else index)
        return b("sum", rows, axes=(0, 1)), new

    agree(build, np.array([0, 3, 1]), draw(5, 4), replaces={1: 0})


def test_an_index_is_checked_as_it_is_before_the_commit():
    b = Applying()
    table, index = input_node(Type(float32, (5, 0))), input_node(Type(int64, (2,)))
    new = b("add", index, b.full(1, index))
    graph = Graph((table, index), (b("gather", table, new), new))
    for value, stops in ((3, False), (4, True), (-1, False), (-2, True)):
        compiled = compile_graph(captured(graph, results=1, replaces={1: 1}))
        values = [np.zeros((5, 0), np.float32), np.array([value, 0])]
        if stops:
            with pytest.raises(IndexStopped):
                launch(compiled, values)
        else:
            launch(compiled, values)
        assert values[1].tolist() == ([value, 0] if stops else [value + 1, 1])


def test_rows_are_added_in_place_or_to_a_copy():
    def build(b, w, x, index):
        rows = b("scatter_add", x, index, rows=w.shape[0])
        return b("sub", w, b("mul", rows, b.full(0.5, rows)))

    values = draw(7, 5), draw(4, 5), np.array([1, 6, 1, 0])
    agree(build, *values)  # w is no state: it stays
    agree(build, *values, replaces={0: 0})

    def read_again(b, w, x, index):
        new = build(b, w, x, index)
        return b("sum", b("mul", w, new), axes=(0,)), new

    agree(read_again, *values, replaces={1: 0})
