from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import directions, generator, gradient, inner, slope

SHAPE = (1, 2, 4, 3)


def self_attention() -> Graph:
    """Queries made from the keys: the operands of attention depend on one another."""
    b = Symbolic()
    x = input_node(Type(dtypes.float64, SHAPE))
    both = b(TABLE["attention"], b(TABLE["tanh"], x), x, x, scale=0.7, causal=True)
    return Graph((x,), (b(TABLE["project"], both, index=0),))


@pytest.mark.parametrize("order", [1, 2])
def test_operands_that_depend_on_one_another(order):
    graph, rng = self_attention(), generator("self attention")
    values = directions(rng, list(graph.inputs))
    for _ in range(order - 1):
        graph = gradient(graph).graph
        values += directions(rng, list(graph.inputs[len(values) :]))
    weights, moves = directions(rng, list(graph.outputs)), directions(rng, list(graph.inputs))
    claimed = evaluate(gradient(graph).graph, (*values, *weights))
    measured = slope(graph, values, dict(enumerate(moves)), dict(enumerate(weights)))
    assert inner(claimed, moves) == pytest.approx(measured, rel=1e-8)


@pytest.mark.parametrize("learns", [None, False, True])
def test_the_gradient_is_one_op_unless_a_mask_learns(learns):
    b = Symbolic()
    x, mask = (input_node(Type(dtypes.float64, s)) for s in (SHAPE, (1, 2, 4, 4)))
    masks = () if learns is None else (mask,)
    both = b(TABLE["attention"], b(TABLE["tanh"], x), x, x, *masks, scale=0.7, causal=True)
    leaves = (x, mask) if learns else (x,)
    graph = Graph((x, *masks), (b(TABLE["project"], both, index=0),))
    seed = input_node(Type(dtypes.float64, SHAPE))
    found = differentiate(Symbolic(), graph.outputs, [seed], leaves)
    names = [n.op.name for n in topological(tuple(found))]
    assert names.count("attention_grad") == 1
    assert ("matmul" in names) == bool(learns)


def test_no_row_sees_the_future():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=SHAPE) for _ in "qkv")
    attrs = {"scale": 0.5, "causal": True}
    out, _ = TABLE["attention"].numpy([q, k, v], attrs)
    k[..., 2:, :] = v[..., 2:, :] = 99
    changed, _ = TABLE["attention"].numpy([q, k, v], attrs)
    np.testing.assert_array_equal(out[..., :2, :], changed[..., :2, :])
    np.testing.assert_array_equal(out[..., 0, :], v[..., 0, :])


def test_a_fully_masked_row_gives_zeros():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=SHAPE) for _ in "qkv")
    mask = np.zeros((1, 2, 4, 4))
    mask[..., 1, :] = -np.inf
    with np.errstate(all="ignore"):
        out, lse = TABLE["attention"].numpy([q, k, v, mask], {"scale": 0.5, "causal": False})
    np.testing.assert_array_equal(out[..., 1, :], 0)
    np.testing.assert_array_equal(lse[..., 1], -np.inf)
    assert np.isfinite(out).all()
