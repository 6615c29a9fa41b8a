"""How much code a node is, and where a row of nodes that is too much for one kernel is cut."""

from __future__ import annotations

import pytest

from chainrule.base.dtypes import float32, int64
from chainrule.compiler.fuse.group import group
from chainrule.compiler.fuse.store import settle
from chainrule.compiler.fuse.weight import MOST, best_cut, weight
from chainrule.graph.node import Graph, Type, input_node
from tests.compiler.running import Applying

b = Applying()
X = input_node(Type(float32, (8, 64)))


def test_transcendental_functions_weigh_what_their_code_is():
    light, heavy = weight(b("add", X, X)), weight(b("sin", X))
    assert light == 3
    assert 20 < heavy < MOST
    assert weight(b("neg", b("cast", X, dtype=int64))) == 2


def test_a_cut_falls_where_fewest_bytes_cross():
    assert best_cut([1] * 8, [9, 9, 9, 9, 1, 9, 9, 9], 8) == 5
    assert best_cut([1] * 8, [1, 9, 9, 5, 5, 9, 9, 1], 8) == 5  # the last of equals
    assert best_cut([9, 9], [1, 1], 8) == 1
    assert best_cut([1, 1, 9], [1, 1, 1], 4) == 2


def chain(op, length):
    node = X
    for _ in range(length):
        node = b(op, node)
    return group(Graph((X,), (node,)))


@pytest.mark.parametrize("op", ["sin", "neg", "softmax_like"])
def test_groups_are_bounded_in_code_and_a_chain_is_cut_into_few(op):
    if op == "softmax_like":
        node = X
        for _ in range(60):
            total = b("sum", node, axes=(1,))
            node = b(
                "sub", node, b("broadcast_to", b("reshape", total, shape=(8, 1)), shape=X.shape)
            )
        groups = group(Graph((X,), (node,)))
        every = 2 * weight(b("sub", X, X)) * 60
    else:
        groups = chain(op, 600)
        every = 600 * weight(b(op, X))
    assert all(g.size <= MOST for g in groups)
    assert len(groups) > 1
    if op != "softmax_like":
        assert len(groups) <= 2 * every // MOST + 1


def test_two_values_that_live_on_are_not_cut_where_three_live():
    """y' = (y + a / y) / 2 holds y and a / y inside a step, y alone between two."""
    half, node = b.full(0.5, X), b("neg", X)
    for _ in range(400):
        node = b("mul", half, b("add", node, b("div", X, node)))
    groups = group(Graph((X,), (node,)))
    of = {n: g for g in groups for n in g.nodes}
    crossing = {c for n in of for c in n.inputs if c in of and of[c] is not of[n]}
    assert len(crossing) == len(groups) - 1
    assert all(n.op.name == "mul" for n in crossing)


def test_a_long_chain_of_cheap_values_is_not_computed_again_for_each_reader():
    """x - its mean, 40 times: each value could be computed from x and all means before it."""
    node = X
    for _ in range(40):
        mean = b("sum", node, axes=(0,))
        node = b("sub", node, b("broadcast_to", mean, shape=X.shape))
    graph = Graph((X,), (node,))
    fused = settle(graph, group(graph), {})
    assert max(len(f.nodes) for f in fused) <= 20
