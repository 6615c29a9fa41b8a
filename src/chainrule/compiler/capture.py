"""Tracing a Python function into a graph with effects.

The function runs once with symbols for its tensor arguments. What it reads from outside becomes
inputs, what it rebinds becomes effects. Example: `capture(step, (x, y), {})` → `Capture`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.compiler.pipeline import Captured
from chainrule.compiler.structure import Leaves, flatten, unflatten
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.ops.arithmetic import add
from chainrule.ops.fill import full
from chainrule.ops.layout import concat
from chainrule.ops.record import Symbolic
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.trace import Bound, Trace

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Capture:
    """A traced call: the graph, where its inputs come from, where its outputs go.

    Inputs are, in order: the arguments' tensors, `states` (outside tensors), the gradients of
    `grad_owners`, host `numbers`. Outputs: results, then one new value per entry of `replaced`.
    """

    captured: Captured
    structure: Any
    states: tuple[Handle, ...]
    grad_owners: tuple[Handle, ...]
    numbers: tuple[Callable[[], float], ...]
    guards: tuple[tuple[Callable[[], Any], Any], ...]
    replaced: tuple[int, ...]  # positions in `states` that get a new value
    reshaped: tuple[tuple[Handle, int], ...]  # states whose new value is result number i
    grads: tuple[tuple[Handle, int | None], ...]  # new .grad: result number, or None
    forgotten: tuple[Handle, ...]  # handles whose gradient was computed and not kept
    grad_was_none: tuple[tuple[Handle, bool], ...]
    results: int  # results that belong to the function's return value


def capture(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, keep_grads: bool
) -> Capture:
    """Run `fn` once on symbols."""
    leaves, structure = flatten((args, kwargs))
    trace = Trace()
    before, modes.trace = modes.trace, trace
    try:
        nodes = [input_node(Type(*_type(leaf))) for leaf in leaves]
        symbols = [wrap(None, n) for n in nodes]
        call_args, call_kwargs = unflatten(structure, symbols)
        result = fn(*call_args, **call_kwargs)
        outs, out_structure = flatten(result)
        return _finish(trace, nodes, outs, out_structure, keep_grads=keep_grads)
    finally:
        modes.trace = before
        _poison(trace)


def _type(leaf: Any) -> tuple[Any, Any]:
    if isinstance(leaf, Handle):
        return leaf.dtype, leaf.shape
    from chainrule.base.dtypes import from_numpy

    return from_numpy(leaf.dtype), leaf.shape


def _poison(trace: Trace) -> None:
    """Symbols that outlive the trace keep saying so when they are read."""
    trace.bound.clear()


def _finish(
    trace: Trace, nodes: list[Node], outs: Leaves, structure: Any, *, keep_grads: bool
) -> Capture:
    owners = {id(h._grad): h for h in trace.grads_read.values() if isinstance(h._grad, Handle)}
    _advance_generators(trace)
    results = [trace.node_of(o) if isinstance(o, Handle) else _constant(o) for o in outs]
    count = len(results)
    grads, forgotten = _gradients(trace, results, keep_grads=keep_grads)
    inputs = [b for b in trace.inputs.values() if id(b.handle) not in owners]
    grad_inputs = [b for b in trace.inputs.values() if id(b.handle) in owners]
    replaced, reshaped, new = _effects(trace, inputs, results)
    everything = (
        *nodes,
        *(b.node for b in inputs),
        *(b.node for b in grad_inputs),
        *(node for _, node in trace.numbers),
    )
    graph = Graph(everything, (*results, *new))
    pairs = {len(results) + i: len(nodes) + at for i, at in enumerate(replaced)}
    return Capture(
        Captured(graph, len(results), pairs),
        structure,
        tuple(b.handle for b in inputs),
        tuple(owners[id(b.handle)] for b in grad_inputs),
        tuple(read for read, _ in trace.numbers),
        tuple(trace.guards),
        tuple(replaced),
        tuple(reshaped),
        tuple(grads),
        tuple(forgotten),
        tuple((h, not isinstance(h._grad, Handle)) for h in trace.grads_read.values()),
        count,
    )


def _constant(value: Array) -> Node:
    raise TraceError(
        f"a compiled function returned a NumPy array of shape {value.shape}; return tensors"
    )


def _gradients(
    trace: Trace, results: list[Node], *, keep_grads: bool
) -> tuple[list[tuple[Handle, int | None]], list[Handle]]:
    """Which assigned `.grad`s the caller can still see: those get results of their own."""
    grads: list[tuple[Handle, int | None]] = []
    forgotten: list[Handle] = []
    for handle, gradient in trace.grads.values():
        if gradient is None:
            grads.append((handle, None))
        elif keep_grads or id(handle) in trace.grads_read:
            grads.append((handle, len(results)))
            results.append(trace.node_of(gradient))
        else:
            forgotten.append(handle)
    return grads, forgotten


def _effects(
    trace: Trace, inputs: list[Bound], results: list[Node]
) -> tuple[list[int], list[tuple[Handle, int]], list[Node]]:
    """States with a new value: in place where the type is kept, else as a result."""
    replaced: list[int] = []
    reshaped: list[tuple[Handle, int]] = []
    new: list[Node] = []
    for at, first in enumerate(inputs):
        now = trace.bound[id(first.handle)]
        if now.node is first.node:
            continue
        if now.node.type == first.node.type:
            replaced.append(at)
            new.append(now.node)
        else:
            reshaped.append((first.handle, len(results)))
            results.append(now.node)
    return replaced, reshaped, new


def _advance_generators(trace: Trace) -> None:
    """Each generator's position moves on by the number of random ops that were traced."""
    b = Symbolic()
    for generator, used in trace.ordinals.values():
        state = generator.state
        before = trace.node_of(state)
        parts = [b(full, value=n, dtype=before.dtype, shape=(1,)) for n in (0, used, 0)]
        after = b(add, before, b(concat, *parts, axis=0))
        trace.bind(state, after, requires_grad=False)
