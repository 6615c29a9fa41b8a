"""Sample calls of every op, as graphs and values: what the generated laws run on.

Example: `for call in calls("softmax", dtypes.float64): evaluate(call.graph, call.values)`.
"""

from __future__ import annotations

import functools
import zlib
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ChainruleError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import AnyType, Graph, Node, TupleType, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.control import bundle, items
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Op, Sample, Symbolic

FLOATS = (dtypes.float32, dtypes.float64)
STEP = 1e-4  # of finite differences in float64: error and rounding both below 1e-11


class Call(NamedTuple):
    """One sample as a graph: its array inputs in order, its node, its array results."""

    op: Op
    sample: Sample
    values: tuple[Any, ...]
    graph: Graph
    node: Node

    @property
    def results(self) -> list[Any]:
        return evaluate(self.graph, self.values)

    def __str__(self) -> str:
        shown = ", ".join(str(type_of(v)) for v in self.sample.inputs)
        return f"{self.op.name}({shown}) {self.sample.attrs}"


class Gradient(NamedTuple):
    """A call's vector-Jacobian product as a graph: (inputs, cotangents) → gradients.

    `moving` are the positions of the inputs that have one, `seeded` those of the results given.
    """

    graph: Graph
    moving: list[int]
    seeded: list[int]


def type_of(value: Any) -> AnyType:
    if isinstance(value, tuple):
        return TupleType(tuple(type_of(v) for v in value))
    return Type(dtypes.from_numpy(value.dtype), value.shape)


def generator(text: str) -> np.random.Generator:
    """Random numbers that depend on a text only."""
    return np.random.default_rng(zlib.crc32(text.encode()))


def samples(name: str, dtype: DType) -> list[Sample]:
    """The op's own samples for a dtype, legal or refused by `infer`."""
    make = TABLE[name].samples
    return [] if make is None else list(make(generator(name), dtype.numpy))


@functools.cache
def calls(name: str, dtype: DType) -> tuple[Call, ...]:
    """The samples that `infer` accepts."""
    found = []
    for sample in samples(name, dtype):
        try:
            found.append(call(TABLE[name], sample))
        except ChainruleError:
            continue
    return tuple(found)


def call(op: Op, sample: Sample) -> Call:
    b, leaves, values, ins = Symbolic(), [], [], []
    for value in sample.inputs:
        parts = value if isinstance(value, tuple) else (value,)
        nodes = [input_node(type_of(v)) for v in parts]
        leaves += nodes
        values += parts
        ins.append(b(bundle, *nodes) if isinstance(value, tuple) else nodes[0])
    node = b(op, *ins, **sample.attrs)
    outs = items(b, node) if isinstance(node.type, TupleType) else [node]
    return Call(op, sample, tuple(values), Graph(tuple(leaves), tuple(outs)), node)


def is_float(node: Node) -> bool:
    return node.dtype.kind == "float"


def gradient(graph: Graph, seeded: list[int] | None = None) -> Gradient:
    """Reverse mode of a graph with cotangents at `seeded` (all float outputs by default)."""
    if seeded is None:
        seeded = [i for i, n in enumerate(graph.outputs) if is_float(n)]
    seeds = {i: input_node(graph.outputs[i].type) for i in seeded}
    wanted = [i for i, n in enumerate(graph.inputs) if is_float(n)]
    cotangents = [seeds.get(i) for i in range(len(graph.outputs))]
    targets = [graph.inputs[i] for i in wanted]
    found = differentiate(Symbolic(), graph.outputs, cotangents, targets)
    moving = [i for i, g in zip(wanted, found, strict=True) if g is not None]
    outs = tuple(g for g in found if g is not None)
    return Gradient(Graph((*graph.inputs, *seeds.values()), outs), moving, seeded)


def differentiable(dtype: DType, *, smooth: bool) -> list[str]:
    """Names of the ops from whose float inputs something flows to float results."""
    return [
        name
        for name in TABLE
        if any(
            (c.sample.smooth or not smooth)
            and any(is_float(n) for n in c.graph.inputs)
            and any(is_float(n) for n in c.graph.outputs)
            for c in calls(name, dtype)
        )
    ]


def directions(rng: np.random.Generator, nodes: list[Node]) -> list[Any]:
    """A random array of each node's type."""
    return [np.asarray(rng.normal(0, 1, n.shape), n.dtype.numpy) for n in nodes]


def inner(left: list[Any], right: list[Any]) -> float:
    """⟨left, right⟩ over lists of arrays, in double."""
    return float(
        sum(np.sum(np.multiply(a, b, dtype=np.float64)) for a, b in zip(left, right, strict=True))
    )


def slope(graph: Graph, values: list[Any], moves: dict[int, Any], weights: dict[int, Any]) -> float:
    """d/dt ⟨weights, graph(values + t·moves)⟩ at t = 0 by a central difference of order four."""

    def at(t: float) -> float:
        moved = [v + t * moves[i] if i in moves else v for i, v in enumerate(values)]
        outs = evaluate(graph, moved)
        return inner([outs[i] for i in weights], list(weights.values()))

    near, far = at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)
    return (8 * near - far) / (12 * STEP)
