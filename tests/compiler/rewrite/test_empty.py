"""Programs with arrays of no elements."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compiler.rewrite.empty import drop_empty
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import topological
from tests.compiler.running import Applying, IndexStopped, agree, native

f32 = dtypes.float32


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_what_is_computed_from_nothing():
    def build(b, x, none, index):
        rows = b("gather", x, index)
        wide = b("broadcast_to", b("reshape", none, shape=(1, 0)), shape=(3, 0))
        return (
            b("matmul", b("transpose", wide, axes=(1, 0)), x),
            b("matmul", wide, b("transpose", wide, axes=(1, 0))),
            b("sum", wide, axes=(0,)),
            b("sum", wide, axes=(1,)),
            b("softmax", wide, axis=1),
            b("logsumexp", wide, axis=1),
            rows,
            b("scatter_add", rows, index, rows=3),
            b("concat", x, wide, x, axis=1),
            b("concat", wide, x, axis=1),
            b("pad", wide, start=(0, 1), step=(1, 1), shape=(3, 4)),
            b("tanh", rows),
            b("sum", rows, axes=(0, 1)),
        )

    agree(build, np.ones((3, 2), np.float32), zeros(0), np.zeros(0, np.int64))


def test_states_and_results_without_elements():
    def build(b, state, x):
        return x, b("neg", state), b("add", state, state)

    agree(build, zeros(0, 3), zeros(2, 0), replaces={2: 0})


def test_attention_over_no_keys_queries_or_features():
    def build(b, q, k, v):
        node = b("attention", q, k, v, scale=1.0, causal=False)
        return b("project", node, index=0), b("project", node, index=1)

    for t, s, d, e in ((3, 0, 2, 2), (0, 3, 2, 2), (3, 2, 0, 2), (3, 2, 2, 0)):
        agree(build, zeros(1, 2, t, d), zeros(1, 2, s, d), zeros(1, 2, s, e))


def test_an_index_into_nothing_is_refused_and_reads_nothing():
    b = Applying()
    table, index = input_node(Type(f32, (0, 3))), input_node(Type(dtypes.int64, (2,)))
    graph = Graph((table, index), (b("gather", table, index),))
    with pytest.raises(IndexStopped):
        native(graph, [zeros(0, 3), np.zeros(2, np.int64)])


def test_nothing_empty_is_left_but_inputs_and_constants():
    b = Applying()
    x = input_node(Type(f32, (3, 0)))
    out = b("sum", b("exp", b("concat", x, x, axis=1)), axes=(1,))
    after = drop_empty(Graph((x,), (out, b("neg", x))))
    assert {n.op.name for n in topological(after.outputs)} == {"full"}
