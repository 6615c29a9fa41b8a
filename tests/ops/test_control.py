from __future__ import annotations

import numpy as np

from chainrule.graph.node import Graph
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.control import items
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import directions, generator, gradient
from tests.ops.cell import cell, nodes


def test_a_call_is_its_body():
    rng = generator("call")
    body = cell()
    called = Symbolic()(TABLE["call"], *body.inputs, graph=body)
    graph = Graph(body.inputs, tuple(items(Symbolic(), called)))
    values = directions(rng, list(graph.inputs))
    weights = directions(rng, list(graph.outputs))
    for one, other in zip(evaluate(graph, values), evaluate(body, values), strict=True):
        np.testing.assert_array_equal(one, other)
    inside, plain = (evaluate(gradient(g).graph, (*values, *weights)) for g in (graph, body))
    for one, other in zip(inside, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_call_saves_nothing_of_its_inside():
    body = cell()
    called = Symbolic()(TABLE["call"], *body.inputs, graph=body)
    graph = Graph(body.inputs, tuple(items(Symbolic(), called)))
    back = gradient(graph, [0])
    assert called not in topological(back.graph.outputs), "the gradient computes the body again"


def test_an_untouched_input_of_a_call_has_no_gradient():
    x, y = nodes((2,), (2,))
    b = Symbolic()
    body = Graph((x, y), (b(TABLE["tanh"], x),))
    ins = nodes((2,), (2,))
    out = b(TABLE["project"], b(TABLE["call"], *ins, graph=body), index=0)
    assert gradient(Graph(ins, (out,))).moving == [0]
