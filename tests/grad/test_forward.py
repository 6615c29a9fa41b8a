from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base import dtypes
from chainrule.base.errors import GradientError
from chainrule.base.source import Source
from chainrule.grad.forward import push
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.verify import verify
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Op, Symbolic
from tests.graph.programs import graphs, values
from tests.ops.calls import gradient, is_float

F64 = Type(dtypes.float64, (3,))


def pushed(graph: Graph) -> tuple[Graph, list[int]]:
    """(inputs, tangents) → tangents of the outputs that move, and which these are."""
    seeds = [input_node(n.type) for n in graph.inputs]
    found = push(Symbolic(), graph.outputs, graph.inputs, seeds)
    moving = [i for i, t in enumerate(found) if t is not None]
    return Graph((*graph.inputs, *seeds), tuple(found[i] for i in moving)), moving


@given(graphs(), st.integers(0, 99))
def test_forward_and_reverse_mode_are_transposes(graph, seed):
    forward, outs = pushed(graph)
    back = gradient(graph)
    verify(forward)
    verify(back.graph)
    x, v = values(graph, seed), values(graph, seed + 1)
    w = [
        np.random.default_rng(seed + i)
        .normal(size=graph.outputs[i].shape)
        .astype(graph.outputs[i].dtype.numpy)
        for i in back.seeded
    ]
    left = sum(
        np.sum(t * w[back.seeded.index(i)])
        for i, t in zip(outs, evaluate(forward, (*x, *v)), strict=True)
    )
    pulled = evaluate(back.graph, (*x, *w))
    right = sum(np.sum(g * v[i]) for i, g in zip(back.moving, pulled, strict=True))
    if np.isfinite(left) and np.isfinite(right):
        size = 1 + sum(np.abs(g * v[i]).sum() for i, g in zip(back.moving, pulled, strict=True))
        assert abs(left - right) <= 1e-4 * size


def test_inputs_that_do_not_move_add_nothing():
    b = Symbolic()
    x, y, v = (input_node(F64) for _ in "xyv")
    out = b(TABLE["mul"], x, y)
    (both,) = push(b, (out,), (x, y), (v, None))
    assert [n.op.name for n in topological((both,))].count("mul") == 1
    assert push(b, (out, y), (x,), (None,)) == [None, None]


def test_inner_nodes_may_be_the_inputs():
    b = Symbolic()
    x, v = input_node(F64), input_node(F64)
    middle = b(TABLE["exp"], x)
    out = b(TABLE["mul"], middle, middle)
    (tangent,) = push(b, (out,), (middle,), (v,))
    got = evaluate(Graph((x, v), (tangent,)), (np.zeros(3), np.ones(3)))[0]
    np.testing.assert_array_equal(got, 2.0)


def test_integers_and_detached_values_do_not_move():
    b = Symbolic()
    x, v = input_node(F64), input_node(F64)
    outs = (
        b(TABLE["cast"], x, dtype=dtypes.int64), b(TABLE["gt"], x, x), b(TABLE["detach"], x),
        b(TABLE["argmax"], x, axis=0),
    )  # fmt: skip
    assert push(b, outs, (x,), (v,)) == [None] * 4
    assert not is_float(outs[0])


def test_nested_modes_give_the_hessian():
    b = Symbolic()
    x, v = input_node(F64), input_node(F64)
    out = b(TABLE["sum"], b(TABLE["mul"], b(TABLE["mul"], x, x), x), axes=(0,))
    back = gradient(Graph((x,), (out,))).graph
    (row,) = push(b, back.outputs, (x,), (v,))
    at = np.array([1.0, 2.0, 3.0])
    got = evaluate(Graph((*back.inputs, v), (row,)), (at, np.array(1.0), np.ones(3)))[0]
    np.testing.assert_allclose(got, 6 * at)


def test_the_cost_is_proportional_and_depth_no_matter():
    sizes = {}
    for depth in (10, 100, 5_000):
        b = Symbolic()
        node = x = input_node(F64)
        for _ in range(depth):
            node = b(TABLE["tanh"], node)
        (tangent,) = push(b, (node,), (x,), (input_node(F64),))
        sizes[depth] = len(topological((tangent,))) / depth
    assert max(sizes.values()) < 1.2 * min(sizes.values()) + 1


def test_an_op_without_a_rule_is_named_with_its_line():
    odd = Op("odd", lambda ins, _: ins[0], lambda ins, _: ins[0])
    x, v = input_node(F64), input_node(F64)
    out = Symbolic(Source("train.py", 7))(odd, x)
    with pytest.raises(GradientError, match=r"odd at train\.py:7 has no forward-mode rule"):
        push(Symbolic(), (out,), (x,), (v,))
