from __future__ import annotations

import pytest
from hypothesis import given

from chainrule.base import dtypes
from chainrule.base.errors import VerifyError
from chainrule.base.source import Source
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.verify import verify
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic
from tests.graph.programs import graphs

F32 = Type(dtypes.float32, (3,))
LINE = Source("train.py", 12)


def broken(name: str, *inputs: Node, type: Type = F32, **attrs: object) -> Node:
    return Node(TABLE[name], inputs, attrs, type, LINE)


@given(graphs())
def test_what_builders_make_is_right(graph):
    verify(graph)


@given(graphs())
def test_any_other_type_is_found(graph):
    for node in topological(graph.outputs):
        if node.op in TABLE.values() and isinstance(node.type, Type):
            wrong = Type(node.dtype, (*node.shape, 7))
            copy = Node(node.op, node.inputs, node.attrs, wrong, LINE)
            with pytest.raises(VerifyError, match=r"of train\.py:12 says .*, but its op infers"):
                verify(Graph(graph.inputs, (copy,)))


def test_operands_that_do_not_fit_are_found_with_the_line():
    x, y = input_node(F32), input_node(Type(dtypes.float32, (4,)))
    wrong = r"add\(float32\[3\], float32\[4\]\) of train\.py:12 breaks the rules.*different shapes"
    with pytest.raises(VerifyError, match=wrong):
        verify(Graph((x, y), (broken("add", x, y),)))


def test_missing_attributes_and_operands_are_found():
    x = input_node(F32)
    for node in (broken("sum", x), broken("sum", x, axes=None), broken("where", x)):
        with pytest.raises(VerifyError, match=r"train\.py:12"):
            verify(Graph((x,), (node,)))


def test_a_free_input_is_found():
    x, y = input_node(F32), input_node(F32)
    with pytest.raises(VerifyError, match=r"input\(\) is used, but it is not among"):
        verify(Graph((x,), (Symbolic()(TABLE["add"], x, y),)))


def test_inputs_are_distinct_and_not_computed():
    x = input_node(F32)
    with pytest.raises(VerifyError, match="the same input twice"):
        verify(Graph((x, x), (x,)))
    computed = Symbolic()(TABLE["neg"], x)
    with pytest.raises(VerifyError, match="listed as an input, but it is computed"):
        verify(Graph((x, computed), (computed,)))


def test_graphs_inside_attributes_are_verified():
    x, inner = input_node(F32), input_node(F32)
    body = Graph((inner,), (broken("neg", inner, type=Type(dtypes.float32, (4,))),))
    called = Symbolic()(TABLE["call"], x, graph=body)
    with pytest.raises(VerifyError, match=r"call\(float32\[3\]\), attribute graph: neg"):
        verify(Graph((x,), (called,)))
    with pytest.raises(VerifyError, match="attribute steps: neg"):
        verify(Graph((x,), (broken("neg", x, steps=(1, body)),)))


def test_attributes_without_text_are_found():
    x = input_node(F32)
    with pytest.raises(VerifyError, match=r"attribute axes: .* list has no text"):
        verify(Graph((x,), (broken("sum", x, axes=[0]),)))
