"""Scenes for the search of NaN: graphs with values, of a whole step or of an eager loss.

A step runs once on symbols, which changes nothing, and every node of its forward pass, backward
pass and update is evaluated on present values. An eager loss is computed again from the leaves of
its tape. Example: `of_step(step, (words, tags), {})`. May import what `inspect` may.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, input_node
from chainrule.graph.walk import topological
from chainrule.inspect.from_loss import leaf_of
from chainrule.inspect.naming import around_function
from chainrule.inspect.nonfinite.culprit import Scene, find_culprit
from chainrule.inspect.nonfinite.report import NonFinite, report_of
from chainrule.inspect.nonfinite.trail import is_bad
from chainrule.inspect.recording import Traced, traced
from chainrule.ops.evaluate import all_values
from chainrule.ops.record import Op, Symbolic
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.deferred.pending import array_of
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import Recorded


def of_step(
    fn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    updates: bool = False,
) -> NonFinite | None:
    """The first harmful NaN or infinity of `fn(*args, **kwargs)`; None if there is none.

    One is harmful in the loss, a gradient or new state; among the results a NaN, or an infinite
    scalar. `updates`: the function is only an update.
    """
    given = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    run = traced(functools.partial(fn, **kwargs) if kwargs else fn, given)
    leaves = [a for a in given if isinstance(a, Handle)]
    graph = run.found.captured.graph
    whole = Graph(graph.inputs, (*graph.outputs, *run.results, *run.trace.spent))
    env = all_values(whole, run.found.values(leaves))
    handles = dict(zip(graph.inputs, [*leaves, *run.found.states], strict=False))
    called = around_function(fn, given) | run.trace.parameter_names()
    scene = Scene(
        env,
        *_passes(run, updates=updates),
        names={n: called[id(h)] for n, h in handles.items() if id(h) in called},
        learnt=frozenset(n for n, h in handles.items() if h.requires_grad and n in graph.inputs),
        made_for=_by_source(run.trace.recorded),
    )
    for node in _harmed(run, scene):
        loss = run.trace.spent[-1] if run.trace.spent else None
        tokens = [(scene.names.get(n, ""), env[n]) for n in handles if n.dtype.kind == "int"]
        return report_of(find_culprit(scene, node), scene, loss, tokens)
    return None


def _passes(run: Traced, *, updates: bool) -> tuple[dict[Node, None], frozenset[Node]]:
    """The nodes of the forward pass in order, and those of the update."""
    trace = run.trace
    begun = len(trace.recorded) if trace.begun is None else trace.begun
    begun = 0 if updates else begun
    inputs = run.found.captured.graph.inputs
    forward = dict.fromkeys((*inputs, *trace.recorded[:begun], *topological(trace.spent)))
    return forward, frozenset(n for n in trace.recorded[begun:] if n not in forward)


def _by_source(recorded: Sequence[Node]) -> Callable[[Node], Node | None]:
    """Forward nodes by their source, to which the source of the nodes of their gradient leads."""
    found = {id(n.source): n for n in recorded if n.source is not None}
    return lambda node: None if node.source is None else found.get(id(node.source.of))


def _harmed(run: Traced, scene: Scene) -> Iterator[Node]:
    """The harmful values, in the order of the step."""
    env, captured = scene.env, run.found.captured
    yield from (n for n in run.trace.spent if is_bad(env[n]))
    for node in run.results:
        if node.array.size == 1 or np.isnan(env[node]).any():
            yield from (n for n in (node,) if is_bad(env[n]))
    yield from (n for n in captured.graph.outputs[: captured.results] if is_bad(env[n]))
    for output, at in captured.replaces.items():
        node = captured.graph.outputs[output]
        learnt = captured.graph.inputs[at] in scene.learnt
        if is_bad(env[node]) and (learnt or np.isnan(env[node]).any()):
            yield node


# -- an eager loss --------------------------------------------------------------------------------


def of_tape(
    roots: Sequence[Node], seeds: Sequence[Any], targets: Sequence[Node], names: Mapping[int, str]
) -> NonFinite | None:
    """The cause of a bad loss, or else of a bad gradient, of a graph recorded eagerly.

    None without one, or if values are missing: those of an `autograd.Function`, and of constants
    from before the watch.
    """
    order = topological(roots)
    inputs = {n: _given(n) for n in order if n.op is INPUT}
    opaque = any(n.op.name == "call" and "graph" not in n.attrs for n in order)
    if opaque or any(v is None for v in inputs.values()):
        return None
    starts = [input_node(root.type) for root in roots]
    b = _Noting()
    ends = differentiate(b, list(roots), starts, list(targets), order=order)
    found = [n for n in ends if n is not None]
    graph = Graph((*inputs, *starts), (*roots, *found))
    env = all_values(graph, [*inputs.values(), *seeds])
    handles = {n: leaf for n in inputs if (leaf := leaf_of(n)) is not None}
    scene = Scene(
        env,
        dict.fromkeys(order),
        names={n: names[id(h)] for n, h in handles.items() if id(h) in names},
        learnt=frozenset(handles),
        made_for=b.made_for.get,
    )
    for node in (*roots, *found):
        if is_bad(env[node]):
            tokens = [("", v) for v in inputs.values() if v.dtype.kind in "iu"]
            return report_of(find_culprit(scene, node), scene, roots[0], tokens)
    return None


class _Noting(Symbolic):
    """A builder that notes the forward node of each derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.made_for: dict[Node, Node] = {}
        self._at: Node | None = None

    def visit(self, node: Node) -> None:
        super().visit(node)
        self._at = node

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        made = super().__call__(op, *inputs, **attrs)
        if self._at is not None:
            self.made_for[made] = self._at
        return made


def _given(node: Node) -> Any:
    """The value of an input of the tape: of its leaf, or kept during the watch."""
    leaf = leaf_of(node)
    if leaf is not None:
        return leaf._concrete("a look for NaN")  # noqa: SLF001 - a leaf of the loss
    return array_of(node.saved[0]) if isinstance(node, Recorded) and node.saved else None
