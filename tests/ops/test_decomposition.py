from __future__ import annotations

import numpy as np

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.decomposition import decomposition, replay
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic

F64 = Type(dtypes.float64, (2, 3))


def test_a_decomposition_ends_at_inputs_of_its_own():
    b = Symbolic()
    x = input_node(F64)
    node = b(TABLE["softmax"], b(TABLE["tanh"], x), axis=1)
    graph = decomposition(node)
    order = topological(graph.outputs)
    assert x not in order
    assert all(n.op.name not in {"softmax", "tanh"} for n in order)
    assert [n.type for n in graph.inputs] == [F64]


def test_replay_makes_the_same_nodes_elsewhere():
    b = Symbolic()
    x, y = input_node(F64), input_node(F64)
    graph = Graph((x, y), (b(TABLE["mul"], x, b(TABLE["add"], x, y)), y))
    fresh = input_node(F64)
    outs = replay(Symbolic(), graph.outputs, dict.fromkeys(graph.inputs, fresh))
    assert outs[1] is fresh
    value = np.arange(6.0).reshape(2, 3)
    got = evaluate(Graph((fresh,), tuple(outs)), (value,))[0]
    np.testing.assert_array_equal(got, 2 * value**2)
