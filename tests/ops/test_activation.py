from __future__ import annotations

import mpmath
import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import gradient


def value_and_slope(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    node = input_node(Type(dtypes.from_numpy(x.dtype), x.shape))
    graph = Graph((node,), (Symbolic()(TABLE[name], node),))
    (out,) = evaluate(graph, (x,))
    (local,) = evaluate(gradient(graph).graph, (x, np.ones_like(x)))
    return out, local


def test_relu_has_slope_zero_at_zero_and_shows_nan():
    out, local = value_and_slope("relu", np.array([-1.0, -0.0, 0.0, 2.0, np.nan]))
    np.testing.assert_array_equal(out, [0, 0, 0, 2, np.nan])
    np.testing.assert_array_equal(local, [0, 0, 0, 1, 1])


EXACT = {
    "tanh": lambda x: 1 / mpmath.cosh(x) ** 2,
    "sigmoid": lambda x: mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2,
    "softplus": lambda x: 1 / (1 + mpmath.exp(-x)),
    "logsigmoid": lambda x: 1 / (1 + mpmath.exp(x)),
    "silu": lambda x: (1 + x / (1 + mpmath.exp(x))) / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("name", sorted(set(EXACT) - {"silu"}))
@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 40), (np.float64, 300)])
def test_derivatives_are_exact_far_into_the_tails(name, dtype, far):
    x = np.array([-far, -20, -5, -0.3, 0, 0.3, 5, 20, far], dtype)
    _, local = value_and_slope(name, x)
    want = [float(EXACT[name](mpmath.mpf(float(v)))) for v in x]
    np.testing.assert_allclose(local, want, rtol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["softplus", "logsigmoid", "silu", "gelu", "sigmoid", "tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_slopes_are_finite_up_to_ten_thousand(name, dtype):
    for array in value_and_slope(name, np.array([-1e4, -100, 100, 1e4], dtype)):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_keeps_its_tail(dtype):
    x = np.array([-30, -80, 30], dtype)
    out, _ = value_and_slope("softplus", x)
    want = [float(mpmath.log1p(mpmath.exp(mpmath.mpf(float(v))))) for v in x]
    np.testing.assert_allclose(out, want, rtol=8 * np.finfo(dtype).eps)
