from __future__ import annotations

import pytest

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Node, TupleType, Type, input_node
from chainrule.ops import TABLE

F32 = Type(dtypes.float32, (3, 4))


def test_types_know_their_size_and_print():
    assert (F32.size, F32.nbytes, str(F32)) == (12, 48, "float32[3, 4]")
    scalar = Type(dtypes.bool_, ())
    assert (scalar.size, scalar.nbytes, str(scalar)) == (1, 1, "bool[]")
    assert Type(dtypes.int64, (0, 5)).nbytes == 0
    assert str(TupleType((F32, scalar))) == "(float32[3, 4], bool[])"


def test_nodes_are_compared_by_identity():
    one, other = input_node(F32), input_node(F32)
    assert one != other
    assert len({one, other}) == 2


def test_a_node_with_several_results_has_no_single_shape():
    several = Node(TABLE["bundle"], (), {}, TupleType((F32, F32)))
    with pytest.raises(TypeError, match="bundle has several results"):
        _ = several.shape


def test_short_forms_for_debugging():
    x = input_node(F32)
    assert repr(Node(TABLE["neg"], (x,), {}, F32)) == "<neg float32[3, 4]>"
    assert repr(Graph((x,), (x, x))) == "<Graph 1 -> 2>"
