from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.grad.forward import push
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import gradient


def graph(name, x, **attrs):
    node = input_node(Type(dtypes.from_numpy(x.dtype), x.shape))
    return Graph((node,), (Symbolic()(TABLE[name], node, **attrs),))


def both(name, x, ct, **attrs):
    made = graph(name, x, **attrs)
    (out,) = evaluate(made, (x,))
    (grad,) = evaluate(gradient(made).graph, (x, ct))
    return out, grad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fully_masked_row_gives_zeros_and_zero_gradients(dtype):
    x = np.array([[-np.inf, -np.inf], [0, -np.inf]], dtype)
    out, grad = both("softmax", x, np.ones_like(x), axis=1)
    np.testing.assert_array_equal(out, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(grad, 0)
    out, grad = both("logsumexp", x, np.ones(2, dtype), axis=1)
    np.testing.assert_array_equal(out, [-np.inf, 0])
    np.testing.assert_array_equal(grad, [[0, 0], [1, 0]])
    out, grad = both("log_softmax", x, np.ones_like(x), axis=1)
    np.testing.assert_array_equal(out, [[-np.inf, -np.inf], [0, -np.inf]])
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fully_masked_row_does_not_move_in_forward_mode(dtype):
    x = np.array([[-np.inf, -np.inf], [0, -np.inf]], dtype)
    t = np.array([[1, 2], [3, 4]], dtype)
    for name, want in (
        ("softmax", np.zeros((2, 2))),
        ("logsumexp", [0, 3]),
        ("log_softmax", [[1, 2], [0, 1]]),
    ):
        made = graph(name, x, axis=1)
        moves = input_node(made.inputs[0].type)
        pushed = push(Symbolic(), made.outputs, made.inputs, (moves,))
        (got,) = evaluate(Graph((*made.inputs, moves), tuple(pushed)), (x, t))
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_huge_numbers_stay_finite(name, scale):
    x = np.array([[1, -1, 0], [1, 1, 1]], np.float32) * np.float32(scale)
    ct = np.ones((2,) if name == "logsumexp" else x.shape, np.float32)
    out, grad = both(name, x, ct, axis=1)
    assert np.isfinite(out).all()
    assert np.isfinite(grad).all()


def test_log_softmax_keeps_its_digits_far_from_zero():
    x = np.full((1, 3), 1e4, np.float32)
    np.testing.assert_allclose(both("log_softmax", x, x, axis=1)[0], -np.log(3), rtol=1e-6)


def test_an_infinite_element_makes_logsumexp_infinite_not_nan():
    x = np.array([[np.inf, 0], [-np.inf, np.inf]])
    np.testing.assert_array_equal(evaluate(graph("logsumexp", x, axis=1), (x,))[0], np.inf)


def test_standardize_has_zero_mean_and_unit_spread():
    x = np.random.default_rng(0).normal(3, 5, (4, 200))
    (out,) = evaluate(graph("standardize", x, axis=1, eps=0.0), (x,))
    np.testing.assert_allclose(out.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(out.std(1), 1, rtol=1e-12)
    flat = np.full((2, 3), 7.0)
    out, grad = both("standardize", flat, np.ones((2, 3)), axis=1, eps=1e-5)
    np.testing.assert_array_equal(out, 0)
    np.testing.assert_allclose(grad, 0, atol=1e-9)
