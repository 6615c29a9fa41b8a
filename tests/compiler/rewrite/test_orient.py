"""Elementwise work and reductions follow the order in which a transposed array lies."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compiler.rewrite.orient import orient
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.walk import topological
from tests.compiler.running import Applying, agree

RNG = np.random.default_rng(3)
X, BIAS = RNG.normal(size=(3, 20, 17)), RNG.normal(size=17)


def channels_first(b, x):
    return b("transpose", x, axes=(0, 2, 1))


def repeated(b, bias, like):
    return b("broadcast_to", b("reshape", bias, shape=(17, 1)), shape=like.shape)


def layer(b, x, w, bias):
    """relu(x·w + bias), channels first, and its maximum over time."""
    y = channels_first(b, b("matmul", x, w))
    y = b("relu", b("add", y, repeated(b, bias, y)))
    top = b("amax", y, axes=(2,))
    wide = b("broadcast_to", b("reshape", top, shape=(3, 17, 1)), shape=y.shape)
    return top, channels_first(b, b("cast", b("eq", y, wide), dtype=x.dtype))


def ops(graph):
    return [node.op.name for node in topological(graph.outputs)]


def made(build, *shapes):
    inputs = tuple(input_node(Type(dtypes.float64, s)) for s in shapes)
    out = build(Applying(), *inputs)
    return orient(Graph(inputs, tuple(out) if isinstance(out, tuple) else (out,)))


def test_a_layer_stays_channels_last():
    graph = made(layer, (3, 20, 5), (3, 5, 17), (17,))
    (top, mask), order = graph.outputs, topological(graph.outputs)
    (relu,) = (n for n in order if n.op.name == "relu")
    assert relu.shape == (3, 20, 17)
    assert top.op.name == "amax"
    assert top.attrs["axes"] == (1,)
    assert mask.op.name == "transpose"
    agree(layer, RNG.normal(size=(3, 20, 5)), RNG.normal(size=(3, 5, 17)), BIAS)


@pytest.mark.parametrize(
    ("name", "attrs"),
    [("amax", {"axes": (2,)}), ("sum", {"axes": (0, 2)}), ("argmax", {"axis": 2})],
)
@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_reductions_find_their_axes(name, attrs, axes):
    def build(b, x):
        return b(name, b("exp", b("transpose", x, axes=axes)), **attrs)

    assert "transpose" not in ops(made(build, X.shape))[: ops(made(build, X.shape)).index("exp")]
    agree(build, X)


def test_what_is_read_as_it_is_stays():
    def build(b, x, state):
        turned = channels_first(b, x)
        return b("mul", turned, turned), b("sub", turned, state)

    assert ops(made(build, X.shape, (3, 17, 20))).count("transpose") == 1
    agree(build, X, RNG.normal(size=(3, 17, 20)))


def test_a_transpose_that_keeps_the_last_axis_stays():
    def build(b, x):
        return b("exp", b("transpose", x, axes=(1, 0, 2)))

    assert ops(made(build, X.shape))[-1] == "exp"
