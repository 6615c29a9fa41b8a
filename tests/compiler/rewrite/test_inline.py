"""Calls of subgraphs are inlined, and so are their results one by one."""

from __future__ import annotations

import numpy as np

from chainrule.base.dtypes import float32
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import ordered
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.compose import compose
from chainrule.ops.control import bundle, call, project
from chainrule.ops.record import Symbolic


def test_a_result_of_a_call_is_its_node():
    kind = Type(float32, (3,))
    b = Symbolic()
    p, q = input_node(kind), input_node(kind)
    body = Graph((p, q), (b(add, p, q), b(mul, p, q)))
    x, w = input_node(kind), input_node(kind)
    called = b(call, x, w, graph=body)
    graph = Graph((x, w), (b(add, b(project, called, index=1), x),))
    inlined = inline_calls(graph)
    assert {node.op for node in ordered(inlined)}.isdisjoint({call, bundle, project})
    values = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    (found,) = compose(inlined.inputs, inlined.outputs)(*values)
    np.testing.assert_array_equal(found, [5, 12, 21])
