"""A function recorded as a graph with values, to be differentiated, checked and explained.

The function runs once on symbols, so nothing outside it changes; random draws are part of the
graph, so every evaluation draws the same. Nodes know the layer that asked for them. Example:

    r = record(fn, (x, w))
    evaluate(r.graph, r.values)             # fn(x, w)

May import `compiler`, `nn` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, TraceError
from chainrule.compiler.trace.capture import Capture, capture
from chainrule.compiler.trace.structure import flatten
from chainrule.graph.node import INPUT, AnyType, Graph, Node, TupleType, Type
from chainrule.graph.walk import topological
from chainrule.inspect.layers import LayerTrace
from chainrule.inspect.valued import ValuedTrace
from chainrule.tensor.convert import tensor
from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recording:
    """A graph, the values of its inputs, and their origins (the handle of a tensor)."""

    graph: Graph
    values: tuple[Array, ...]
    handles: tuple[Handle | None, ...]
    trace: LayerTrace

    def position(self, handle: Handle) -> int | None:
        """The number of a tensor's input; None if the function does not read it."""
        for i, known in enumerate(self.handles):
            if known is handle:
                return i
        return None


def record(fn: Callable[..., Any], args: Sequence[Any]) -> Recording:
    """The graph of `fn(*args)`, whose outputs are the flattened results.

    If `fn` reads values while it runs, `trace` is a `ValuedTrace`, which notes them.
    """
    run = traced(fn, args)
    graph = Graph(run.found.captured.graph.inputs, run.results)
    leaves = [a for a in args if isinstance(a, (Handle, np.ndarray))]
    values = tuple(np.array(v) for v in run.found.values(leaves))
    handles = [*(a if isinstance(a, Handle) else None for a in leaves), *run.found.states]
    handles += [None] * (len(values) - len(handles))
    return Recording(graph, values, tuple(handles), run.trace)


def inner(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside a compiled one."""
    found: Callable[..., Any] = getattr(fn, "fn", fn)
    return found


class Traced(NamedTuple):
    """A run on symbols: its reads and changes, every node, and the nodes of its results."""

    found: Capture
    trace: LayerTrace
    results: tuple[Node, ...]


def traced(fn: Callable[..., Any], args: Sequence[Any]) -> Traced:
    """One run of `fn(*args)` that changes nothing; with values if the function reads some."""
    need_function(fn)
    try:
        return _run(fn, args, LayerTrace())
    except TraceError:
        return _run(fn, args, ValuedTrace(args))


def need_function(fn: Any) -> None:
    """Raise unless `fn` can be called."""
    if not callable(fn):
        kind = "a tensor, whose computation is over" if isinstance(fn, Handle) else f"{fn!r:.60}"
        raise ArgumentError(f"expected a function or a model, not {kind}")


def run_with_values(
    fn: Callable[..., Any], args: Sequence[Any], instead: Mapping[int, Array]
) -> Traced:
    """A run with values, in which some tensors (by id) have other values than their own."""
    return _run(fn, args, ValuedTrace(args, instead))


def _run(fn: Callable[..., Any], args: Sequence[Any], trace: LayerTrace) -> Traced:
    results: list[Node] = []

    def inside(*given: Any) -> None:
        outs, _ = flatten(fn(*given))
        results.extend(trace.node_of(o if isinstance(o, Handle) else tensor(o)) for o in outs)

    try:
        found = capture(inside, tuple(args), {}, keep_grads=True, trace=trace)
    finally:
        trace.undo()
    return Traced(found, trace, tuple(results))


def in_float64(recording: Recording) -> Recording:
    """The same computation with every float32 value, cast and constant in float64."""
    values = tuple(v.astype(np.float64) if v.dtype == np.float32 else v for v in recording.values)
    return Recording(widened(recording.graph), values, recording.handles, recording.trace)


def widened(graph: Graph) -> Graph:
    """The graph with float64 in place of float32, constants and bodies of loops included."""
    made = widening(graph)
    return Graph(tuple(made[n] for n in graph.inputs), tuple(made[n] for n in graph.outputs))


def widening(graph: Graph) -> dict[Node, Node]:
    """The node in `widened(graph)` for each node."""
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
    return made


def _wide(type_: AnyType) -> AnyType:
    if isinstance(type_, TupleType):
        return TupleType(tuple(Type(_wide_attr(t.dtype), t.shape) for t in type_.items))
    return Type(_wide_attr(type_.dtype), type_.shape)


def _wide_attr(value: Any) -> Any:
    if value is dtypes.float32:
        return dtypes.float64
    return widened(value) if isinstance(value, Graph) else value
