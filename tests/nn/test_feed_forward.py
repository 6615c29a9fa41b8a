"""SwiGLU and Highway against their formulas, compiled and not; what a new Highway passes on."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.inspect import gradcheck_module

X = np.random.default_rng(0).normal(size=(3, 4, 6))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights(module):
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def swiglu(w, x, *, bias):
    def linear(name, x):
        return x @ w[f"{name}.weight"].T + (w[f"{name}.bias"] if bias else 0)

    gate = linear("gate_proj", x)
    return linear("down_proj", gate * sigmoid(gate) * linear("up_proj", x))


def highway(w, x):
    for i in range(len(w) // 2):
        new, gate = np.split(x @ w[f"layers.{i}.weight"].T + w[f"layers.{i}.bias"], 2, -1)
        x = sigmoid(gate) * np.maximum(new, 0) + (1 - sigmoid(gate)) * x
    return x


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_swiglu_is_its_formula(bias, compiled):
    cr.manual_seed(0)
    net = nn.SwiGLU(6, 10, 5, bias=bias).double()
    call = cr.compile(net, fullgraph=True) if compiled else net
    found = call(cr.tensor(X)).detach()
    np.testing.assert_allclose(found, swiglu(weights(net), X, bias=bias), rtol=1e-10)
    assert nn.SwiGLU(6, 10).down_proj.out_features == 6


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_highway_is_its_formula(layers, compiled):
    cr.manual_seed(0)
    net = nn.Highway(6, layers).double()
    call = cr.compile(net, fullgraph=True) if compiled else net
    np.testing.assert_allclose(
        call(cr.tensor(X)).detach(), highway(weights(net), X), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("build", [lambda: nn.SwiGLU(6, 4), lambda: nn.Highway(6, 2, F.tanh)])
def test_the_gradient_is_right(build):
    cr.manual_seed(0)
    net = build().double()
    assert gradcheck_module(net, cr.tensor(X[0]))
    every = cr.vmap(net)(cr.tensor(X))
    np.testing.assert_allclose(every.detach(), net(cr.tensor(X)).detach(), rtol=1e-12)


def test_a_new_highway_passes_on_most_of_its_input():
    cr.manual_seed(0)
    net = nn.Highway(6)
    with cr.no_grad():
        net.layers[0].weight.zero_()
        kept = net(cr.ones(6)).numpy()
    assert net.layers[0].bias[6:].tolist() == [-1.0] * 6
    np.testing.assert_allclose(kept, sigmoid(1.0), atol=0.15)


def test_mistakes_are_told():
    for call, error, text in (
        (lambda: nn.Highway(6)(cr.ones(2, 5)), ShapeError, r"takes \(…, 6\), not shape \(2, 5\)"),
        (lambda: nn.Highway(6, 0), ArgumentError, "num_layers must be at least 1"),
        (lambda: nn.SwiGLU(6, 4)(cr.ones(2, 5)), ShapeError, "takes 6"),
    ):
        with pytest.raises(error, match=text):
            call()
