"""Tracing a Python function into a graph with effects.

The function runs once with symbols for its tensor arguments. What it reads from outside becomes
inputs, what it rebinds becomes effects. Example: `capture(step, (x, y), {})` → `Capture`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.compiler.gradient import Joint, Link, split
from chainrule.compiler.pipeline import Captured
from chainrule.compiler.structure import Leaves, flatten, unflatten
from chainrule.compiler.watch import Watch, watching
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, Type, input_node
from chainrule.graph.walk import ordered, topological
from chainrule.ops.arithmetic import add
from chainrule.ops.fill import full
from chainrule.ops.layout import concat
from chainrule.ops.record import Symbolic
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.hooks import watched_in
from chainrule.tensor.interruptions import handlers_outside
from chainrule.tensor.modes import modes
from chainrule.tensor.trace import Bound, Trace

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Capture:
    """A traced call: the graph, where its inputs come from, where its outputs go.

    Inputs are, in order: the arguments' tensors, `states` (outside tensors), the gradients of
    `grad_owners`, host `numbers`. Outputs: results, then one new value per entry of `replaced`.
    """

    captured: Captured
    structure: Any
    rebound: tuple[tuple[int, int], ...]  # arguments whose new value is result number i
    argument_grads: tuple[tuple[int, int], ...]  # arguments that got a gradient: result number i
    states: tuple[Handle, ...]
    made: tuple[bool, ...]  # whether a state was made by the trace, from a constant
    requires_grad: tuple[bool, ...]  # of each state
    grad_owners: tuple[Handle, ...]
    numbers: tuple[Callable[[], float], ...]
    guards: tuple[tuple[Callable[[], Any], Any], ...]
    replaced: tuple[int, ...]  # positions in `states` that get a new value
    reshaped: tuple[tuple[Handle, int], ...]  # states whose new value is result number i
    rewritten: tuple[tuple[Handle, int], ...]  # owners of gradients changed in place: result i
    grads: tuple[tuple[Handle, int | None], ...]  # new .grad: result number, or None
    forgotten: tuple[Handle, ...]  # handles whose gradient was computed and not kept
    grad_was_none: tuple[tuple[Handle, bool], ...]
    results: int  # results that belong to the function's return value
    link: Link | None  # how results that require grad are differentiated outside

    def constant(self, at: int) -> Array | None:
        """The value of a state that the trace made from a constant."""
        return self.states[at]._value if self.made[at : at + 1] == (True,) else None

    def values(self, leaves: Leaves) -> list[Array]:
        """Values of the graph's inputs as they are now, for these arguments."""
        found = [*leaves, *self.states, *(owner._grad for owner in self.grad_owners)]
        arrays = [v._concrete("a trace") if isinstance(v, Handle) else v for v in found]
        return [*arrays, *(np.array(read(), np.float64) for read in self.numbers)]


class _Argument(NamedTuple):
    """An array argument of the call, and what stands for it."""

    leaf: Any
    node: Node
    symbol: Tensor
    symbol_grad: bool


def capture(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    keep_grads: bool,
    trace: Trace | None = None,
    watch: Watch | None = None,
) -> Capture:
    """Run `fn` once on symbols; `trace` is one that notes more than usual.

    `watch` sees what its frames read of Python's state.
    """
    leaves, structure = flatten((args, kwargs))
    trace = Trace() if trace is None else trace
    before = modes.trace
    with handlers_outside():
        try:
            modes.trace = trace
            arguments = _arguments(leaves)
            call_args, call_kwargs = unflatten(structure, [a.symbol for a in arguments])
            with watching(watch):
                result = fn(*call_args, **call_kwargs)
            outs, out_structure = flatten(result)
            return _finish(trace, arguments, outs, out_structure, keep_grads=keep_grads)
        finally:
            modes.trace = before
            _poison(trace)


def _arguments(leaves: Leaves) -> list[_Argument]:
    """Symbols for the arguments; one tensor that is passed twice stays one."""
    found: dict[int, Tensor] = {}
    arguments = []
    for leaf in leaves:
        node = input_node(Type(*_type(leaf)))
        grad = isinstance(leaf, Handle) and leaf._requires_grad
        symbol = found.setdefault(id(leaf), wrap(None, node, requires_grad=grad))
        arguments.append(_Argument(leaf, node, symbol, grad))
    return arguments


def _type(leaf: Any) -> tuple[Any, Any]:
    if isinstance(leaf, Handle):
        return leaf.dtype, leaf.shape
    from chainrule.base.dtypes import from_numpy

    return from_numpy(leaf.dtype), leaf.shape


def _poison(trace: Trace) -> None:
    """Symbols that outlive the trace keep saying so when they are read."""
    trace.bound.clear()


def _finish(
    trace: Trace, arguments: list[_Argument], outs: Leaves, structure: Any, *, keep_grads: bool
) -> Capture:
    owners = {id(h._grad): h for h in trace.grads_read.values() if isinstance(h._grad, Handle)}
    _advance_generators(trace)
    results = [trace.node_of(o) if isinstance(o, Handle) else _constant(o) for o in outs]
    count = len(results)
    rebound, argument_grads = _argument_effects(arguments, results)
    grads, forgotten = _gradients(trace, results, keep_grads=keep_grads)
    inputs = [b for b in trace.inputs.values() if id(b.handle) not in owners]
    grad_inputs = [b for b in trace.inputs.values() if id(b.handle) in owners]
    rewritten = _rewritten(trace, grad_inputs, owners, results)
    replaced, reshaped, new = _effects(trace, inputs, results)
    everything = (
        *(a.node for a in arguments),
        *(b.node for b in inputs),
        *(b.node for b in grad_inputs),
        *(node for _, node in trace.numbers),
    )
    graph = Graph(everything, (*results, *new))
    _refuse_strangers(graph)
    flags = [*(a.symbol_grad for a in arguments), *(b.requires_grad for b in inputs)]
    link = None
    joint = _joint(trace, graph, outs, flags)
    if joint is not None:
        link, graph = split(joint, len(results))
    first = len(graph.outputs) - len(new)
    pairs = {first + i: len(arguments) + at for i, at in enumerate(replaced)}
    return Capture(
        Captured(graph, first, pairs),
        structure,
        tuple(rebound),
        tuple(argument_grads),
        tuple(b.handle for b in inputs),
        tuple(id(b.handle) in trace.made for b in inputs),
        tuple(b.requires_grad for b in inputs),
        tuple(owners[id(b.handle)] for b in grad_inputs),
        tuple(read for read, _ in trace.numbers),
        tuple(trace.guards),
        tuple(replaced),
        tuple(reshaped),
        tuple(rewritten),
        tuple(grads),
        tuple(forgotten),
        tuple((h, not isinstance(h._grad, Handle)) for h in trace.grads_read.values()),
        count,
        link,
    )


def _joint(trace: Trace, graph: Graph, outs: Leaves, flags: list[bool]) -> Joint | None:
    """The gradient that backward outside would ask for; None if no result can be asked."""
    asked = [i for i, o in enumerate(outs) if modes.grad and o.requires_grad]
    spent = set(topological(trace.spent)) if asked else set()
    asked = [i for i in asked if spent.isdisjoint(_inner(graph.outputs[i]))]
    wanted = [i for i, flag in enumerate(flags) if flag]
    if not asked or not wanted:
        return None
    seeds = [input_node(graph.outputs[i].type) for i in asked]
    found = differentiate(
        Symbolic(),
        [graph.outputs[i] for i in asked],
        seeds,
        [graph.inputs[i] for i in wanted],
        stops=trace.frozen,
        watch=watched_in(trace, ()),
    )
    reached = [(i, g) for i, g in zip(wanted, found, strict=True) if g is not None]
    return Joint(
        graph,
        tuple(asked),
        tuple(seeds),
        tuple(i for i, _ in reached),
        tuple(g for _, g in reached),
    )


def _inner(node: Node) -> list[Node]:
    """What was computed for a node, itself included."""
    return [n for n in topological((node,)) if n.op is not INPUT]


def _refuse_strangers(graph: Graph) -> None:
    """Symbols of another trace have no value here."""
    known = set(graph.inputs)
    for node in ordered(graph):
        if node.op is INPUT and node not in known:
            raise TraceError(
                f"a tensor of type {node.type} that only stood for one inside another compiled "
                "call is used; return it from the function in which it was made"
            )


def _constant(value: Array) -> Node:
    raise TraceError(
        f"a compiled function returned a NumPy array of shape {value.shape}; return tensors"
    )


def _argument_effects(
    arguments: list[_Argument], results: list[Node]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Arguments that the function changed in place, and those whose `.grad` it computed."""
    rebound, gradients = [], []
    seen: set[int] = set()
    for at, (leaf, node, symbol, _) in enumerate(arguments):
        if not isinstance(leaf, Handle) or id(leaf) in seen:
            continue
        seen.add(id(leaf))
        if symbol._node is not node:
            assert symbol._node is not None
            rebound.append((at, len(results)))
            results.append(symbol._node)
        if symbol._grad is not None:
            if not leaf.is_leaf:
                raise TraceError(
                    f"argument {at} of a compiled function was computed with gradient outside of "
                    "it, where backward() inside cannot go; pass x.detach(), or compile both parts"
                )
            gradients.append((at, len(results)))
            results.append(symbol._grad._node)
    return rebound, gradients


def _rewritten(
    trace: Trace, grad_inputs: list[Bound], owners: dict[int, Handle], results: list[Node]
) -> list[tuple[Handle, int]]:
    """Gradients from outside that were changed in place, as by clipping."""
    found = []
    for first in grad_inputs:
        now = trace.bound[id(first.handle)]
        if now.node is not first.node:
            found.append((owners[id(first.handle)], len(results)))
            results.append(now.node)
    return found


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
