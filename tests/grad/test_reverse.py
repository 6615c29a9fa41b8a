"""Reverse mode on graphs: what it visits, where it stops, and what it says."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.base.errors import GradientError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Op, Symbolic

KIND = Type(dtypes.float64, (3,))


@pytest.fixture
def b():
    return Symbolic()


@pytest.fixture
def x():
    return input_node(KIND)


def value(inputs, output, *arrays):
    return evaluate(Graph(tuple(inputs), (output,)), arrays)[0]


def test_the_gradient_is_a_graph_that_reads_the_forward_nodes(b, x):
    y = b(TABLE["exp"], x)
    seed = input_node(KIND)
    (gradient,) = differentiate(b, [y], [seed], [x])
    assert y in topological([gradient])  # exp' is its own result
    point = np.array([0.0, 1.0, -2.0])
    np.testing.assert_allclose(value((x, seed), gradient, point, np.ones(3)), np.exp(point))


def test_disconnected_targets_get_none(b, x):
    other = input_node(KIND)
    assert differentiate(b, [b(TABLE["neg"], x)], [input_node(KIND)], [other, x])[0] is None
    assert differentiate(b, [x], [None], [x]) == [None]


def test_fan_outs_add_up(b, x):
    y = b(TABLE["add"], b(TABLE["mul"], x, x), x)
    seed = input_node(KIND)
    (gradient,) = differentiate(b, [y], [seed], [x])
    point = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(value((x, seed), gradient, point, np.ones(3)), 2 * point + 1)


def test_an_output_can_be_a_target(b, x):
    seed = input_node(KIND)
    assert differentiate(b, [x], [seed], [x]) == [seed]


def test_inner_nodes_can_be_targets(b, x):
    h = b(TABLE["neg"], x)
    y = b(TABLE["mul"], h, h)
    seed = input_node(KIND)
    at_h, at_x = differentiate(b, [y], [seed], [h, x])
    point = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(value((x, seed), at_h, point, np.ones(3)), -2 * point)
    np.testing.assert_allclose(value((x, seed), at_x, point, np.ones(3)), 2 * point)


def test_nothing_flows_through_stops_or_cuts(b, x):
    stop = b(TABLE["neg"], x)
    y = b(TABLE["mul"], stop, x)
    seed = input_node(KIND)
    (gradient,) = differentiate(b, [y], [seed], [x], stops={stop})
    np.testing.assert_allclose(
        value((x, seed), gradient, np.arange(3.0), np.ones(3)), -np.arange(3.0)
    )
    assert differentiate(b, [b(TABLE["detach"], x)], [seed], [x]) == [None]


def test_nodes_outside_the_way_are_not_visited(x):
    visited = []

    class Watching(Symbolic):
        def visit(self, node):
            visited.append(node.op.name)
            super().visit(node)

    b = Watching()
    aside = b(TABLE["exp"], input_node(KIND))
    y = b(TABLE["add"], b(TABLE["sin"], x), aside)
    differentiate(b, [y], [input_node(KIND)], [x])
    assert visited == ["add", "sin"]


def test_each_node_is_visited_once(x):
    visited = []

    class Watching(Symbolic):
        def visit(self, node):
            visited.append(node)

    b = Watching()
    y = x
    for _ in range(50):
        y = b(TABLE["add"], y, y)
    differentiate(b, [y], [input_node(KIND)], [x])
    assert len(visited) == len(set(visited)) == 50


def test_an_op_without_a_rule_is_named(b, x):
    odd = Op("odd", lambda ins, _: ins[0], lambda ins, _: ins[0])
    with pytest.raises(GradientError, match="odd is not differentiable; detach"):
        differentiate(b, [b(odd, x)], [input_node(KIND)], [x])


def test_several_results_keep_their_cotangents_apart(b, x):
    both = b(TABLE["bundle"], b(TABLE["neg"], x), b(TABLE["exp"], x))
    first, second = (b(TABLE["project"], both, index=i) for i in (0, 1))
    seed = input_node(KIND)
    (only,) = differentiate(b, [second], [seed], [x])
    np.testing.assert_allclose(value((x, seed), only, np.zeros(3), np.ones(3)), 1.0)
    (sum_of_both,) = differentiate(b, [first, second], [seed, seed], [x])
    np.testing.assert_allclose(value((x, seed), sum_of_both, np.zeros(3), np.ones(3)), 0.0)


@pytest.mark.parametrize("depth", [10, 1_000])
def test_the_gradient_graph_grows_linearly(b, x, depth):
    y = x
    for _ in range(depth):
        y = b(TABLE["tanh"], y)
    (gradient,) = differentiate(b, [y], [input_node(KIND)], [x])
    nodes = topological([gradient])
    assert len(nodes) / depth == pytest.approx(12, abs=2)
    assert all(isinstance(n, Node) for n in nodes)
