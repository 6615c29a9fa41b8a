"""Random graphs for property tests: a few ops of every kind, calls of smaller graphs among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from chainrule.base import dtypes, shapes
from chainrule.base.source import Source
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.record import Symbolic

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
FLOATS = st.sampled_from((dtypes.float32, dtypes.float64))
SOURCES = st.none() | st.builds(
    Source,
    st.sampled_from(("train.py", "a b/c#d.py", "C:\\x.py")),
    st.integers(1, 999),
    st.just(""),
)


@st.composite
def graphs(draw: Any, depth: int = 1) -> Graph:
    """A graph of one to ten random nodes over one to three float inputs."""
    types = draw(st.lists(st.builds(Type, FLOATS, SHAPES), min_size=1, max_size=3))
    inputs = tuple(input_node(t) for t in types)
    pool = list(inputs)
    for _ in range(draw(st.integers(1, 10))):
        b = Symbolic(draw(SOURCES))
        grow = draw(st.sampled_from(_STEPS if depth else _STEPS[:-1]))
        pool += grow(draw, b, pool)
    outputs = draw(st.lists(st.sampled_from(pool), min_size=0, max_size=3))
    return Graph(inputs, (*outputs, pool[-1]))


def values(graph: Graph, seed: int) -> list[Any]:
    """Normal numbers for the inputs."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(0, 1, n.shape), n.dtype.numpy) for n in graph.inputs]


def _pick(draw: Any, pool: list[Node]) -> Node:
    return draw(st.sampled_from([n for n in pool if n.dtype.kind == "float"]))


def _unary(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    return [b(TABLE[draw(st.sampled_from(("tanh", "neg", "relu", "erf")))], _pick(draw, pool))]


def _binary(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    x = _pick(draw, pool)
    y = draw(st.sampled_from([n for n in pool if n.type == x.type]))
    return [b(TABLE[draw(st.sampled_from(("add", "mul", "maximum", "lt")))], x, y)]


def _number(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    x = _pick(draw, pool)
    value = draw(st.integers() | st.floats())
    if isinstance(value, int) and abs(value) > 2**63:
        value = float(value)
    one = b(TABLE["full"], value=value, dtype=x.dtype, shape=x.shape)
    return [one, b(TABLE["mul"], x, one)]


def _sum(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    x = _pick(draw, pool)
    axes = tuple(i for i in range(len(x.shape)) if draw(st.booleans()))
    return [b(TABLE["sum"], x, axes=axes)]


def _layout(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    x = _pick(draw, pool)
    axes = tuple(draw(st.permutations(range(len(x.shape)))))
    turned = b(TABLE["transpose"], x, axes=axes)
    flat = b(TABLE["reshape"], turned, shape=(shapes.size(x.shape),))
    return [turned, b(TABLE["concat"], flat, flat, axis=0)]


def _cast(draw: Any, b: Symbolic, pool: list[Node]) -> list[Node]:
    return [b(TABLE["cast"], _pick(draw, pool), dtype=draw(FLOATS))]


def _call(draw: Any, b: Symbolic, _pool: list[Node]) -> list[Node]:
    body = draw(graphs(depth=0))
    ins = [b(TABLE["full"], value=0.5, dtype=n.dtype, shape=n.shape) for n in body.inputs]
    called = b(TABLE["call"], *ins, graph=body)
    return [*ins, *(b(TABLE["project"], called, index=i) for i in range(len(body.outputs)))]


_STEPS = (_unary, _binary, _number, _sum, _layout, _cast, _call)
