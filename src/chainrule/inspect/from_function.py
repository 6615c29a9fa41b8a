"""The derivation of a function's loss, or of a whole training step, without side effects.

    derivation = of_function(step, (words, tags))

The function runs once on symbols; loops are unrolled, so that each step's part is visible.
May import `compiler`, `nn` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import dependents, topological
from chainrule.inspect.derivation import Derivation, Part, Update, add_up, measure, step_of
from chainrule.inspect.naming import around_function
from chainrule.inspect.recording import Traced, traced
from chainrule.inspect.unroll import MOST_STEPS, unroll
from chainrule.inspect.window import note_windows
from chainrule.ops.creation import filled
from chainrule.ops.evaluate import all_values
from chainrule.ops.record import Symbolic
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.handle import Handle


def of_function(
    fn: Callable[..., Any],
    args: Sequence[Any],
    wrt: Sequence[Handle] | None = None,
    names: Sequence[str] = (),
) -> Derivation:
    """The derivation of `fn(*args)`: a loss function, or a whole training step.

    `fn` runs once on symbols: parameters, gradients, optimiser and random state stay as they are.
    """
    given = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    run = traced(fn, given)
    found, trace = run.found, run.trace
    graph = found.captured.graph
    loss = loss_of(run)
    leaves = [a for a in given if isinstance(a, Handle)]
    inputs: dict[Node, Handle] = dict(zip(graph.inputs, [*leaves, *found.states], strict=False))
    wanted = _wanted_inputs(inputs, wrt, loss)
    called = around_function(fn, given) | trace.parameter_names()
    called |= {id(a): name for a, name in zip(given, names, strict=False) if isinstance(a, Handle)}
    named = {node: called[id(handle)] for node, handle in inputs.items() if id(handle) in called}
    for i, node in enumerate(graph.inputs[: len(leaves)]):
        named.setdefault(node, f"input {i}")
    title = getattr(fn, "__name__", type(fn).__name__)
    return _assembled(title, found.values(leaves), loss, wanted, run, named)


def loss_of(run: Traced) -> Node:
    """The root of backward, or else the only returned scalar."""
    if run.trace.spent:
        return run.trace.spent[-1]
    scalars = [n for n in run.results if n.array.size == 1 and n.dtype.kind == "float"]
    if len(scalars) != 1:
        shown = ", ".join(str(n.type) for n in run.results) or "nothing"
        raise ArgumentError(
            f"the function returns {shown} and does not call backward(); to be explained it must "
            "return one loss"
        )
    return scalars[0]


def _wanted_inputs(
    inputs: Mapping[Node, Handle], wrt: Sequence[Handle] | None, loss: Node
) -> list[Node]:
    reached = set(topological((loss,)))
    if wrt is not None:
        chosen = [n for n, h in inputs.items() if any(h is w for w in wrt)]
    else:
        chosen = [n for n, h in inputs.items() if h.requires_grad]
    chosen = [n for n in chosen if n in reached]
    if not chosen:
        raise ArgumentError(
            "the loss depends on nothing that requires grad; pass wrt=, or tensors with "
            "requires_grad=True (why_no_grad() names the cut)"
        )
    return chosen


def _assembled(
    title: str,
    values: Sequence[Any],
    loss: Node,
    wanted: list[Node],
    run: Traced,
    named: Mapping[Node, str],
) -> Derivation:
    graph = run.found.captured.graph
    b = Symbolic()
    sent: list[tuple[Node, int, Node]] = []
    new = {i: graph.outputs[o] for o, i in run.found.captured.replaces.items()}
    seen = unroll(Graph(graph.inputs, (loss, *new.values())), MOST_STEPS)
    loss, *rest = seen.graph.outputs
    new = dict(zip(new, rest, strict=True))
    stops = {seen.made[n] for n in run.trace.frozen if n in seen.made}
    differentiate(
        b, (loss,), (filled(b, 1, loss),), wanted,
        stops=stops, tell=lambda node, i, part: sent.append((node, i, part)),
    )  # fmt: skip
    outputs = (loss, *(part for _, _, part in sent), *new.values())
    env = all_values(Graph(graph.inputs, outputs), values)
    order = seen.as_written(run.trace.recorded)
    number = {node: i for i, node in enumerate(order)}
    boxes = {seen.made[n]: box for n, box in run.trace.boxes.items() if n in seen.made}
    active = dependents(wanted, order)
    steps = []
    for node in order:
        step = step_of(node, number, env.get(node))
        step.name = named.get(node, "")
        step.box = boxes.get(node, "")
        steps.append(step)
    for node, i, part in sent:
        if node.inputs[i] in active:
            steps[number[node]].parts.append(Part(i, number[node.inputs[i]], env[part]))
    steps[number[loss]].gradient = np.ones(loss.shape)
    add_up(steps)
    note_windows(steps, order)
    measure(steps, order)
    updates = [
        Update(named[graph.inputs[i]], np.array(values[i]), np.asarray(env[node]))
        for i, node in new.items()
        if graph.inputs[i] in named
    ]
    targets = tuple(number[n] for n in wanted)
    return Derivation(title, steps, number[loss], targets, updates, run.trace.classes())
