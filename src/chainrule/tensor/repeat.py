"""Work on many tensors of the same types is traced once: an optimiser's step on each parameter.

    p₁ ← f(p₁, g₁)  is traced;   p₂ ← f(p₂, g₂)  of the same types is the same nodes on others

Tracing runs Python for each op and finds its type; for the second tensor and all that follow both
are known. Outside of a trace the function is simply called. May import graph and the tensor's
dispatch. Example: `move = Repeated(lambda p, g: p.sub_(g, alpha=lr))`, then `move(p, g)` for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import dependents, topological
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor
from chainrule.tensor.trace import Trace


class _Traced(NamedTuple):
    """What the function did to the nodes that its tensors stood for."""

    before: list[Node]
    nodes: list[Node]  # that depend on `before`, in order
    after: list[Node]


class Repeated:
    """`fn(*tensors)`, which changes some of its tensors in place and returns nothing.

    Besides its tensors it may use what is the same at every call. No gradient is recorded.
    """

    def __init__(self, fn: Callable[..., object]) -> None:
        """Nothing traced yet."""
        self._fn = fn
        self._known: dict[Any, _Traced] = {}

    def __call__(self, *tensors: Tensor) -> None:
        """The function, or what it did to tensors of the same types before."""
        trace = modes.trace
        # Another kind of trace notes more than nodes; a view is written through its base
        if type(trace) is not Trace or modes.grad or any(t._lens is not None for t in tensors):
            self._fn(*tensors)
            return
        before = [trace.node_of(t) for t in tensors]
        kinds = [
            (n.type, t.requires_grad, n.op is INPUT, n in trace.frozen, before.index(n))
            for n, t in zip(before, tensors, strict=True)
        ]
        known = self._known.get(tuple(kinds))
        if known is None:
            self._fn(*tensors)
            after = [trace.node_of(t) for t in tensors]
            order = topological(after, before)
            reached = dependents(before, order)
            nodes = [n for n in order if n in reached]
            self._known[tuple(kinds)] = _Traced(before, nodes, after)
        else:
            _again(trace, known, tensors, before)


def _again(trace: Trace, known: _Traced, tensors: tuple[Tensor, ...], before: list[Node]) -> None:
    """The nodes of `known` on other nodes; the tensors become what they became then."""
    made = dict(zip(known.before, before, strict=True))
    for node in known.nodes:
        inputs = tuple([made.get(child, child) for child in node.inputs])
        made[node] = new = Node(node.op, inputs, node.attrs, node.type, node.source)
        if node in trace.frozen:
            trace.frozen.add(new)
    for tensor, old, after in zip(tensors, known.before, known.after, strict=True):
        if after is not old:
            tensor._rebind(wrap(None, made[after]))
