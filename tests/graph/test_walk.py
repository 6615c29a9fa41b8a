from __future__ import annotations

from hypothesis import given

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.text import print_graph
from chainrule.graph.walk import dependents, substitute, topological, uses
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic
from tests.graph.programs import graphs

F32 = Type(dtypes.float32, (3,))


@given(graphs())
def test_every_node_comes_once_and_after_its_inputs(graph):
    order = topological(graph.outputs)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)
    assert set(graph.outputs) <= set(order)
    assert all(place[child] < place[node] for node in order for child in node.inputs)


@given(graphs())
def test_dependents_are_what_reaches_the_roots(graph):
    order = topological(graph.outputs)
    roots = set(graph.inputs[:1])
    below = {n for n in order if roots & set(topological((n,)))}
    assert dependents(roots, order) == below | roots


@given(graphs())
def test_uses_count_each_use(graph):
    order = topological(graph.outputs)
    found = uses(order)
    assert set(order) <= set(found)
    for node, users in found.items():
        for user in users:
            assert users.count(user) == user.inputs.count(node)
    assert sum(map(len, found.values())) == sum(len(n.inputs) for n in order)


@given(graphs())
def test_substituting_fresh_inputs_copies_what_depends_on_them(graph):
    fresh = {n: input_node(n.type) for n in graph.inputs}
    outs = substitute(graph.outputs, fresh)
    copy = Graph(tuple(fresh.values()), tuple(outs))
    assert print_graph(copy) == print_graph(graph)
    untouched = set(topological(graph.outputs)) - dependents(
        graph.inputs, topological(graph.outputs)
    )
    assert untouched <= set(topological(outs))


def test_substituting_nothing_shares_everything():
    x = input_node(F32)
    y = Symbolic()(TABLE["neg"], x)
    assert substitute((y,), {}) == [y]


def test_a_very_long_chain_is_walked_and_released():
    b = Symbolic()
    node = start = input_node(F32)
    for _ in range(150_000):
        node = b(TABLE["neg"], node)
    order = topological((node,))
    assert len(order) == 150_001
    assert len(dependents((start,), order)) == 150_001
    del order, node


def test_repeated_doubling_is_walked_once():
    b = Symbolic()
    node = input_node(F32)
    for _ in range(60):
        node = b(TABLE["add"], node, node)
    assert len(topological((node, node))) == 61
