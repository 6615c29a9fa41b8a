from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.base.source import Source
from chainrule.graph.node import Graph, Node, TupleType, Type, input_node
from chainrule.graph.text import parse_graph, print_graph, print_value
from chainrule.graph.verify import verify
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.graph.programs import graphs, values

MATMUL = """\
graph(%0: float32[3, 4], %1: float32[4, 5]) {
  %2 = matmul(%0, %1) : float32[3, 5]
  %3 = sum(%2) {axes=(0,)} : float32[5]
  return %3
}"""


class Holder:
    """An op that keeps any attribute and infers nothing."""

    name = "hold"


def test_a_graph_prints_as_in_the_documentation():
    b = Symbolic()
    x, w = (input_node(Type(dtypes.float32, s)) for s in ((3, 4), (4, 5)))
    total = b(TABLE["sum"], b(TABLE["matmul"], x, w), axes=(0,))
    assert print_graph(Graph((x, w), (total,))) == MATMUL


def test_a_nested_graph_is_an_indented_block_with_its_own_numbers():
    text = """\
graph(%0: float64[2]) {
  %1 = call(%0) {graph=graph(%0: float64[2]) {
    %1 = call(%0) {graph=graph(%0: float64[2]) {
      return %0, %0
    }} : (float64[2], float64[2])
    %2 = project(%1) {index=1} : float64[2]
    return %2
  }} : (float64[2])
  return %1
}"""
    graph = parse_graph(text, TABLE)
    verify(graph)
    assert print_graph(graph) == text


@given(graphs(), st.integers(0, 99))
def test_parsing_is_the_inverse_of_printing(graph, seed):
    verify(graph)
    for sources in (False, True):
        text = print_graph(graph, sources=sources)
        again = parse_graph(text, TABLE)
        assert print_graph(again, sources=sources) == text
        verify(again)
    pairs = list(zip(topological(graph.outputs), topological(again.outputs), strict=True))
    for one, other in pairs:
        assert (one.op, one.type, str(one.source)) == (other.op, other.type, str(other.source))
    given_values = values(graph, seed)
    for one, other in zip(
        evaluate(graph, given_values), evaluate(again, given_values), strict=True
    ):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(dtypes.ALL),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


def same(one, other):
    """Equal in type and value, down to the sign of zero."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and repr(one) == repr(other)


@given(st.dictionaries(st.from_regex(r"[a-z_]\w{0,5}", fullmatch=True).filter(str.isascii), VALUES))
def test_attributes_come_back_exactly(attrs):
    node = Node(Holder, (), attrs, Type(dtypes.int64, ()))
    text = print_graph(Graph((), (node,)))
    back = parse_graph(text, {"hold": Holder}).outputs[0].attrs
    assert attrs.keys() == back.keys()
    assert all(same(attrs[k], back[k]) for k in attrs)


def test_numpy_numbers_print_as_numbers():
    assert print_value(np.float64(0.1)) == "0.1"
    assert print_value(np.int64(-3)) == "-3"
    assert print_value((np.int32(7),)) == "(7,)"


@pytest.mark.parametrize("value", [[1], {}, np.zeros(2), object()])
def test_what_has_no_text_is_refused(value):
    with pytest.raises(ArgumentError, match="has no text"):
        print_value(value)


def test_tuple_types_and_free_inputs_come_back():
    free = input_node(TupleType((Type(dtypes.bool_, (1,)), Type(dtypes.uint8, ()))))
    text = print_graph(Graph((), (free,)))
    assert text == "graph() {\n  %0 = input() : (bool[1], uint8[])\n  return %0\n}"
    assert print_graph(parse_graph(text, {})) == text


def test_sources_are_comments_that_come_back():
    line = "graph() {\n  %0 = hold() : int64[]  # my file.py:12\n  # train.py:3\n  return %0\n}"
    graph = parse_graph(line, {"hold": Holder})
    assert graph.outputs[0].source == Source("my file.py", 12)
    plain = parse_graph(line.replace("  # my file.py:12", ""), {"hold": Holder})
    assert plain.outputs[0].source is None, "a comment on its own line is only a comment"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 of the graph: expected 'graph'"),
        ("graph(%0: float32[3]) {\n  %1 = tanhh(%0) : float32[3]\n}", r"line 2.*perhaps tanh"),
        ("graph() {\n  return %1\n}", "line 2.*expected a node defined above, found '%1'"),
        ("graph(%0: float[3]) {}", "expected a dtype, one of bool"),
        ("graph(%0: float32[-3]) {}", "expected a size, found '-3'"),
        ("graph() {\n  %0 = full() {value=$} : float32[]", r"expected a value, found '\$'"),
        ("graph() {\n  %0 = full() {value=open('x')} : float32[]", "expected a value"),
        ("graph(%0: bool[]) {\n  %0 = detach(%0) : bool[]", "a number that is not taken"),
        (MATMUL + " graph", "expected nothing more"),
        (MATMUL[:-1], "expected a node such as %0, found 'the end'"),
    ],
)
def test_a_wrong_text_is_refused_with_its_line(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse_graph(text, TABLE)


def test_a_long_chain_prints_and_parses():
    b = Symbolic()
    node = start = input_node(Type(dtypes.float32, ()))
    for _ in range(20_000):
        node = b(TABLE["neg"], node)
    text = print_graph(Graph((start,), (node,)))
    assert print_graph(parse_graph(text, TABLE)) == text
