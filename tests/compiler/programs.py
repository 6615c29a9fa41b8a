"""Random programs as graphs with values of their inputs; see `maker.py`.

Example: `make_program(choose, size=20)` → graph, values, states.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node, Type
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.compiler.maker import Choose, Maker


class Program(NamedTuple):
    """A graph with values of its inputs; `states` maps outputs to the inputs they replace."""

    graph: Graph
    values: list[np.ndarray]
    results: int
    states: dict[int, int]


def make_program(
    choose: Choose, size: int, *, dtype: DType = dtypes.float64, smooth: bool = False
) -> Program:
    """A program of about `size` ops with several outputs, some of which replace inputs."""
    m = Maker(choose, dtype, smooth=smooth)
    for _ in range(1 + m.choose(3)):
        m.leaf(m.shape(m.choose(5)))
    while len(m.nodes) - len(m.inputs) < size:
        before = len(m.nodes)
        m.step()
        if len(m.nodes) == before and m.chance(10):
            m.leaf(m.shape(m.choose(4)))
    outs = [m.nodes[-1], *(m.node() for _ in range(m.choose(4)))]
    count, states = len(outs), {}
    for place, state in enumerate(m.inputs):
        if state.dtype is dtype and state.array.size and m.chance(3):
            states[len(outs)] = place
            outs.append(_update(m, state))
    return Program(Graph(tuple(m.inputs), tuple(outs)), m.values, count, states)


def _update(m: Maker, state: Node) -> Node:
    """A new value for a state, as an optimiser might make it."""
    same = [n for n in m.floats() if n.shape == state.shape]
    change, other = m.one_of(same), m.one_of(same)
    rate = m.b(TABLE["full"], value=0.5, dtype=state.dtype, shape=state.shape)
    kind = m.choose(6)
    if kind == 0:
        return other
    if kind == 1 and len(state.shape) == 2 and state.shape[0] == state.shape[1]:
        change = m.b(TABLE["transpose"], state, axes=(1, 0))
    if kind == 2 and state.shape and state.shape[0]:
        count = 1 + m.choose(4)
        rows = m.leaf((count, *state.shape[1:]))
        change = m.b(
            TABLE["scatter_add"], rows, m.index((count,), state.shape[0]), rows=state.shape[0]
        )
        return m.b(TABLE["sub"], state, change)
    new = m.b(TABLE["add"], state, m.b(TABLE["mul"], change, rate))
    if kind == 3:
        m.nodes.append(new)
        new = m.b(TABLE["mul"], new, m.b(TABLE["tanh"], other))
    return new


def gradient(program: Program) -> Program:
    """Results are Σ outputs' gradients with respect to the float inputs that have one."""
    b, graph = Symbolic(), program.graph
    outs = [n for n in graph.outputs if n.dtype.kind == "float"]
    cotangents = [b(TABLE["cos"], out) for out in outs]
    targets = [n for n in graph.inputs if n.dtype.kind == "float"]
    found = [g for g in differentiate(b, outs, cotangents, targets) if g is not None]
    return Program(Graph(graph.inputs, tuple(found)), program.values, len(found), {})


def largest(program: Program) -> float:
    """The largest number that appears anywhere: what rounding errors are measured by."""
    order = [n for n in topological(program.graph.outputs) if isinstance(n.type, Type)]
    values = evaluate(Graph(program.graph.inputs, tuple(order)), program.values)
    sizes = [float(np.abs(v).max()) for v in values if v.size and v.dtype.kind == "f"]
    return max(sizes, default=1.0)
