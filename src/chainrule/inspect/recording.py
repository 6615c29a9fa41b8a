"""A function as a graph with values: what is differentiated, checked, explained and replayed.

The function runs once on symbols, so nothing outside it changes; random draws are part of the
graph, so every evaluation draws the same. Nodes know the layer that asked for them. Example:

    r = record(fn, (x, w))
    evaluate(r.graph, r.values)             # what fn(x, w) returns

May import `compiler`, `nn` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.compiler.capture import capture
from chainrule.graph.node import INPUT, AnyType, Graph, Node, TupleType, Type
from chainrule.graph.walk import topological
from chainrule.inspect.layers import LayerTrace
from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recording:
    """A graph, the values of its inputs, and where each came from (the handle, if a tensor)."""

    graph: Graph
    values: tuple[Array, ...]
    handles: tuple[Handle | None, ...]

    def position(self, handle: Handle) -> int | None:
        """Which input stands for a tensor; None if the function does not read it."""
        for i, known in enumerate(self.handles):
            if known is handle:
                return i
        return None


def record(fn: Callable[..., Any], args: Sequence[Any]) -> Recording:
    """`fn(*args)` recorded; its outputs are what it returns, flattened.

    Raises TraceError where `fn` reads values while it runs.
    """
    found = capture(fn, tuple(args), {}, keep_grads=True, trace=LayerTrace())
    graph = Graph(found.captured.graph.inputs, found.captured.graph.outputs[: found.results])
    leaves = [a for a in args if isinstance(a, (Handle, np.ndarray))]
    values = tuple(np.array(v) for v in found.values(leaves))
    handles = [*(a if isinstance(a, Handle) else None for a in leaves), *found.states]
    handles += [None] * (len(values) - len(handles))
    return Recording(graph, values, tuple(handles))


def in_float64(recording: Recording) -> Recording:
    """The same computation with every float32 value, cast and constant in float64."""
    values = tuple(v.astype(np.float64) if v.dtype == np.float32 else v for v in recording.values)
    return Recording(_widened(recording.graph), values, recording.handles)


def _widened(graph: Graph) -> Graph:
    made: dict[Node, Node] = {}
    for node in (*graph.inputs, *topological(graph.outputs)):
        if node in made:
            continue
        if node.op is INPUT:
            made[node] = Node(INPUT, (), {}, _wide(node.type), node.source)
            continue
        inputs = tuple(made[child] for child in node.inputs)
        attrs = {key: _wide_attr(value) for key, value in node.attrs.items()}
        type_ = node.op.infer(tuple(n.type for n in inputs), attrs)
        made[node] = Node(node.op, inputs, attrs, type_, node.source)
    return Graph(tuple(made[n] for n in graph.inputs), tuple(made[n] for n in graph.outputs))


def _wide(type_: AnyType) -> AnyType:
    if isinstance(type_, TupleType):
        return TupleType(tuple(Type(_wide_attr(t.dtype), t.shape) for t in type_.items))
    return Type(_wide_attr(type_.dtype), type_.shape)


def _wide_attr(value: Any) -> Any:
    if value is dtypes.float32:
        return dtypes.float64
    return _widened(value) if isinstance(value, Graph) else value
