"""Functions traced once for many tensors of the same types: an optimiser's step on each parameter.

    p₁ ← f(p₁, g₁)  is traced;   p₂ ← f(p₂, g₂)  of the same types copies its nodes

Tracing runs Python for each op and infers its type; from the second tensor on both are known.
Outside of a trace the function is simply called. May import graph and the tensor's
dispatch. Example: `move = Repeated(lambda p, g: p.sub_(g, alpha=lr))`, then `move(p, g)` for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.graph.node import INPUT, Node
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor
from chainrule.tensor.trace import Trace


class _Traced(NamedTuple):
    """One trace of the function: its input nodes, its new nodes, its results."""

    before: list[Node]
    nodes: list[Node]  # recorded nodes, in order
    after: list[Node]


class Repeated:
    """A function `fn(*tensors)` that changes some of its tensors in place and returns nothing.

    Everything else that it uses must be the same at every call. No gradient is recorded.
    """

    def __init__(self, fn: Callable[..., object]) -> None:
        self._fn = fn
        self._known: dict[Any, _Traced] = {}
        self._trace: Trace | None = None  # the trace in which it is known

    def __call__(self, *tensors: Tensor) -> None:
        """Call the function, or copy its trace for tensors of the same types."""
        trace = modes.trace
        # A subclass of trace notes more than nodes; a view is written through its base
        if type(trace) is not Trace or modes.grad or any(t._lens is not None for t in tensors):
            self._fn(*tensors)
            return
        if trace is not self._trace:
            self._trace, self._known = trace, {}
        before = [trace.node_of(t) for t in tensors]
        kinds = [
            (n.type, t.requires_grad, n.op is INPUT, n in trace.frozen, before.index(n))
            for n, t in zip(before, tensors, strict=True)
        ]
        known = self._known.get(tuple(kinds))
        if known is None:
            outer, nodes = trace.noted, list[Node]()
            trace.noted = nodes
            try:
                self._fn(*tensors)
            finally:
                trace.noted = outer
            if outer is not None:
                outer += nodes
            after = [trace.node_of(t) for t in tensors]
            self._known[tuple(kinds)] = _Traced(before, nodes, after)
        else:
            _again(trace, known, tensors, before)


def _again(trace: Trace, known: _Traced, tensors: tuple[Tensor, ...], before: list[Node]) -> None:
    """Copy the nodes of `known` to other inputs, and rebind the tensors to the copies."""
    made = dict(zip(known.before, before, strict=True))
    for node in known.nodes:
        if made.keys().isdisjoint(node.inputs):
            continue  # the same for all
        inputs = tuple([made.get(child, child) for child in node.inputs])
        made[node] = new = Node(node.op, inputs, node.attrs, node.type, node.source)
        if node in trace.frozen:
            trace.frozen.add(new)
        if trace.noted is not None:
            trace.noted.append(new)
    for tensor, old, after in zip(tensors, known.before, known.after, strict=True):
        if after is not old:
            tensor._rebind(wrap(None, made.get(after, after)))
