"""Tracing a Python function into a graph with effects.

The function runs once with symbols for its tensor arguments. What it reads from outside becomes
inputs, what it rebinds becomes effects. Example: `capture(step, (x, y), {})` → `Capture`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.compiler.guards.watch import Watch, watching
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.trace.aliases import Signature, root_of, signature
from chainrule.compiler.trace.arguments import Containers, HandedOut, enter, hand_out, leaf_versions
from chainrule.compiler.trace.leaks import Leak, leaked
from chainrule.compiler.trace.returned import Origins
from chainrule.compiler.trace.split import Joint, Split, split
from chainrule.compiler.trace.structure import Leaves, flatten, has_known, unflatten
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, input_node
from chainrule.graph.walk import ordered, topological
from chainrule.ops.arithmetic import add
from chainrule.ops.creation import full
from chainrule.ops.layout import concat
from chainrule.ops.record import Symbolic
from chainrule.tensor.backward import total
from chainrule.tensor.handle import Handle
from chainrule.tensor.hooks import watched_in
from chainrule.tensor.interruptions import handlers_outside
from chainrule.tensor.modes import modes
from chainrule.tensor.trace import Bound, Trace

Array = np.ndarray[Any, Any]


class Sections(NamedTuple):
    """The positions of a graph's inputs by where they come from."""

    arguments: range  # tensors of the call, then roots that several of them have in common
    states: range  # tensors from outside
    gradients: range  # of `grad_owners`
    numbers: range  # that the host reads at each call


@dataclass(frozen=True, slots=True)
class Capture:
    """A traced call: the graph, where its inputs come from, where its outputs go.

    Inputs stand in the order of `Sections`. Outputs: results, then one new value per entry of
    `replaced`.

    A plan serves another trace if all fields are equal (`retrace.alike`), but for those that are
    marked `compare=False`.
    """

    captured: Captured
    structure: Any
    handed: HandedOut  # results and effects on arguments
    leaks: tuple[Leak, ...]  # tensors that stayed outside: only this call gives them values
    # roots of written tensors that an argument may be a view of: they follow from the states
    outside: dict[int, Handle] = field(compare=False)
    within: bool  # whether it matters what arguments share with one another
    aliases: Signature | None  # which arguments share memory; None where it does not matter
    known: bool  # whether a container of the arguments is changed or returned
    states: tuple[Handle, ...]
    made: tuple[bool, ...]  # whether a state was made by the trace, from a constant
    requires_grad: tuple[bool, ...]  # of each state
    grad_owners: tuple[Handle, ...]
    numbers: tuple[Callable[[], float], ...] = field(compare=False)  # read at each call
    guards: tuple[tuple[Callable[[], Any], Any], ...] = field(compare=False)  # of this trace
    replaced: tuple[int, ...]  # positions in `states` that get a new value
    reshaped: tuple[tuple[Handle, int], ...]  # states whose new value is result number i
    rewritten: tuple[tuple[Handle, int], ...]  # owners of gradients changed in place: result i
    grads: tuple[tuple[Handle, int | None], ...]  # new .grad: result number, or None
    forgotten: tuple[Handle, ...]  # handles whose gradient was computed and not kept
    grad_was_none: tuple[tuple[Handle, bool], ...]
    connected: tuple[tuple[Handle, int], ...]  # states that are now computed: result number i
    made_leaves: tuple[int, ...]  # results that require grad and were made as leaves
    halves: Split | None  # how results that require grad are differentiated outside

    @property
    def inputs(self) -> Sections:
        """The positions of the graph's inputs of each kind."""
        ends = [len(self.captured.graph.inputs)]
        for part in (self.numbers, self.grad_owners, self.states):
            ends.append(ends[-1] - len(part))
        end, numbers, gradients, states = ends
        return Sections(
            range(states), range(states, gradients), range(gradients, numbers), range(numbers, end)
        )

    def constant(self, at: int) -> Array | None:
        """The value of a state that the trace made from a constant."""
        return self.states[at]._array() if self.made[at : at + 1] == (True,) else None

    def values(self, leaves: Leaves) -> list[Array]:
        """Values of the graph's inputs as they are now, for these arguments."""
        found = [*leaves, *self.states, *(owner._grad for owner in self.grad_owners)]
        arrays = [v._concrete("a trace") if isinstance(v, Handle) else v for v in found]
        return [*arrays, *(np.array(read(), np.float64) for read in self.numbers)]


def capture(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    keep_grads: bool,
    trace: Trace | None = None,
    watch: Watch | None = None,
    outside: Mapping[int, Handle] = MappingProxyType({}),
) -> Capture:
    """Run `fn` once on symbols; `trace` is one that notes more than usual.

    `watch` sees what its frames read of Python's state. `outside` are roots of arguments, by id,
    that the function is known to hold itself: see `held_outside`.
    """
    leaves, structure = flatten((args, kwargs))
    trace = Trace() if trace is None else trace
    before = modes.trace
    with handlers_outside():
        try:
            modes.trace = trace
            arguments = enter(trace, leaves, outside)
            made: list[Any] = []
            call_args, call_kwargs = unflatten(structure, [a.symbol for a in arguments], made)
            containers = Containers(made)
            made.clear()
            with watching(watch):
                result = fn(*call_args, **call_kwargs)
            outs, out_structure = flatten(result, containers.known)
            del result, call_args, call_kwargs
            _advance_generators(trace)
            origins = Origins(trace)
            handed = hand_out(trace, origins, arguments, len(leaves), containers, outs)
            return _finish(
                trace,
                leaves,
                handed,
                origins,
                out_structure,
                keep_grads=keep_grads,
                settles=watch is not None,
            )
        finally:
            modes.trace = before
            trace.bound.clear()  # symbols that outlive the trace say so when they are read


def held_outside(
    found: Capture, args: tuple[Any, ...], kwargs: dict[str, Any], known: Mapping[int, Handle]
) -> dict[int, Handle]:
    """Roots, by id, of arguments that the trace met as tensors of the function's own, too.

    Those beyond the `known` ones were taken for different tensors: trace again with all of them.
    """
    leaves, _ = flatten((args, kwargs))
    roots = [root_of(leaf) for leaf in leaves if isinstance(leaf, Handle)]
    return {**known, **{id(r): r for r in roots if id(r) in found.outside}}


def _finish(
    trace: Trace,
    leaves: Leaves,
    handed: HandedOut,
    origins: Origins,
    structure: Any,
    *,
    keep_grads: bool,
    settles: bool,
) -> Capture:
    read = list(trace.grads_read.values())
    owners = {id(h._grad): h for h in read if isinstance(h._grad, Handle)}
    grads, forgotten = _gradients(trace, origins, keep_grads=keep_grads)
    inputs = [b for b in trace.inputs.values() if id(b.handle) not in owners]
    grad_inputs = [b for b in trace.inputs.values() if id(b.handle) in owners]
    rewritten = _rewritten(trace, grad_inputs, owners, origins)
    replaced, reshaped, connected, new = _effects(trace, inputs, origins)
    written = bool(handed.rebound)
    outside, aliases = _aliases(leaves, inputs, replaced, reshaped, written=written)
    moved = [*handed.moved, *(leaf_versions(trace, b.handle) for b in inputs)]
    everything = (
        *handed.nodes,
        *(b.node for b in inputs),
        *(b.node for b in grad_inputs),
        *(node for _, node in trace.numbers),
    )
    flags = [*handed.flags, *(b.requires_grad for b in inputs)]
    graph, joint, leaks = _settled(trace, origins, everything, new, flags, moved, settles=settles)
    halves, graph = (None, graph) if joint is None else split(joint, len(origins.nodes))
    first = len(graph.outputs) - len(new)
    pairs = {first + i: len(handed.nodes) + at for i, at in enumerate(replaced)}
    return Capture(
        captured=Captured(graph, first, pairs),
        structure=structure,
        handed=handed,
        leaks=leaks,
        outside=outside,
        within=written,
        aliases=aliases,
        known=bool(handed.filled) or has_known(structure),
        states=tuple(b.handle for b in inputs),
        made=tuple(id(b.handle) in trace.made for b in inputs),
        requires_grad=tuple(b.requires_grad for b in inputs),
        grad_owners=tuple(owners[id(b.handle)] for b in grad_inputs),
        numbers=tuple(read for read, _ in trace.numbers),
        guards=tuple(trace.guards),
        replaced=tuple(replaced),
        reshaped=tuple(reshaped),
        rewritten=tuple(rewritten),
        grads=tuple(grads),
        forgotten=tuple(forgotten),
        grad_was_none=tuple([(h, not isinstance(h._grad, Handle)) for h in read]),
        connected=tuple(connected),
        made_leaves=tuple(origins.leaves),
        halves=halves,
    )


def _settled(
    trace: Trace,
    origins: Origins,
    inputs: tuple[Node, ...],
    new: Sequence[Node],
    flags: Sequence[bool],
    moved: Sequence[tuple[Node, ...]],
    *,
    settles: bool,
) -> tuple[Graph, Joint | None, tuple[Leak, ...]]:
    """The graph with what is held outside, and the gradient of its results.

    Hooks are run before leaks are sought: what they alone hold is none, so they are dropped then.
    """
    joint, hooked = None, bool(trace.hooks)
    if hooked:
        graph = Graph(inputs, (*origins.nodes, *new))
        joint = _joint(trace, graph, _asked(origins), flags, moved)
    leaks = leaked(trace, origins) if settles else ()
    graph = Graph(inputs, (*origins.nodes, *new))
    _refuse_strangers(graph)
    if not hooked:
        joint = _joint(trace, graph, _asked(origins), flags, moved)
    return graph, joint and joint._replace(graph=graph), leaks


def _joint(
    trace: Trace,
    graph: Graph,
    asked: Sequence[int],
    flags: Sequence[bool],
    moved: Sequence[tuple[Node, ...]],
) -> Joint | None:
    """The gradient that backward outside would ask for; None if no result can be asked."""
    spent = set(topological(trace.spent)) if asked else set()
    asked = [i for i in asked if spent.isdisjoint(_inner(trace, graph.outputs[i]))]
    wanted = [i for i, flag in enumerate(flags) if flag]
    if not asked or not wanted:
        return None
    seeds = [input_node(graph.outputs[i].type) for i in asked]
    b = Symbolic()
    targets = [dict.fromkeys((graph.inputs[i], *moved[i])) for i in wanted]
    each = differentiate(
        b,
        [graph.outputs[i] for i in asked],
        seeds,
        [node for nodes in targets for node in nodes],
        stops=trace.frozen,
        watch=watched_in(trace, ()),
    )
    gradients = iter(each)
    found = [total(b, [next(gradients) for _ in nodes]) for nodes in targets]
    reached = [(i, g) for i, g in zip(wanted, found, strict=True) if g is not None]
    return Joint(
        graph,
        tuple(asked),
        tuple(seeds),
        tuple(i for i, _ in reached),
        tuple(g for _, g in reached),
    )


def _inner(trace: Trace, node: Node) -> list[Node]:
    """The nodes that backward from a node goes through, itself included."""
    return [n for n in topological((node,), trace.frozen) if n.op is not INPUT]


def _refuse_strangers(graph: Graph) -> None:
    """Symbols of another trace have no value here."""
    known = set(graph.inputs)
    for node in ordered(graph):
        if node.op is INPUT and node not in known:
            raise TraceError(
                f"this call needs the value of a symbol of type {node.type}, which has one only "
                "inside another compiled call\n  return the tensor from that function"
            )


def _aliases(
    leaves: Sequence[Any],
    inputs: Sequence[Bound],
    replaced: Sequence[int],
    reshaped: Sequence[tuple[Handle, int]],
    *,
    written: bool,
) -> tuple[dict[int, Handle], Signature | None]:
    """Roots outside that arguments must not share unnoticed, and what the arguments share now.

    Where an argument is written, all tensors from outside matter, else those that are written.
    """
    if written:
        handles = [b.handle for b in inputs]
    else:
        handles = [*(inputs[i].handle for i in replaced), *(h for h, _ in reshaped)]
    outside = {id(r): r for r in map(root_of, handles)}
    if not written and not outside:
        return outside, None
    return outside, signature(leaves, outside, within=written)


def _asked(origins: Origins) -> list[int]:
    """Results of which the gradient may be asked outside."""
    if not modes.grad:
        return []
    return [i for i, computed in enumerate(origins.computed) if computed]


def _rewritten(
    trace: Trace, grad_inputs: list[Bound], owners: dict[int, Handle], origins: Origins
) -> list[tuple[Handle, int]]:
    """Gradients from outside that were changed in place, as by clipping."""
    found = []
    for first in grad_inputs:
        now = trace.bound[id(first.handle)]
        if now.node is not first.node:
            found.append((owners[id(first.handle)], origins.append(now.node)))
    return found


def _gradients(
    trace: Trace, origins: Origins, *, keep_grads: bool
) -> tuple[list[tuple[Handle, int | None]], list[Handle]]:
    """The assigned `.grad`s that the caller can still see: those get results of their own."""
    grads: list[tuple[Handle, int | None]] = []
    forgotten: list[Handle] = []
    for handle, gradient in trace.grads.values():
        if gradient is None:
            grads.append((handle, None))
        elif keep_grads or id(handle) in trace.grads_read:
            grads.append((handle, origins.add(gradient)))
        else:
            forgotten.append(handle)
    return grads, forgotten


def _effects(
    trace: Trace, inputs: list[Bound], origins: Origins
) -> tuple[list[int], list[tuple[Handle, int]], list[tuple[Handle, int]], list[Node]]:
    """States with a new value: in place where the type is kept, else as a result.

    So are those that are computed with gradient now: they are connected with the results' graph.
    """
    replaced: list[int] = []
    reshaped: list[tuple[Handle, int]] = []
    connected: list[tuple[Handle, int]] = []
    new: list[Node] = []
    for at, first in enumerate(inputs):
        now = trace.bound[id(first.handle)]
        if now.node is first.node:
            continue
        computed = modes.grad and now.requires_grad and trace.is_computed(first.handle)
        if now.node.type == first.node.type and not computed:
            replaced.append(at)
            new.append(now.node)
        else:
            number = origins.append(now.node, computed=computed)
            reshaped.append((first.handle, number))
            if computed:
                connected.append((first.handle, number))
    return replaced, reshaped, connected, new


def _advance_generators(trace: Trace) -> None:
    """Each generator's position moves on by the number of random ops that were traced."""
    b = Symbolic()
    for generator, used in trace.ordinals.values():
        state = generator.state
        before = trace.node_of(state)
        parts = [b(full, value=n, dtype=before.dtype, shape=(1,)) for n in (0, used, 0)]
        after = b(add, before, b(concat, *parts, axis=0))
        trace.bind(state, after, requires_grad=False)
