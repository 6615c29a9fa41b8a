"""The cut on the path from a tensor to the loss, found in a run that recorded everything.

A trace also records what is computed under `no_grad()`, from a detached tensor or in integers, so
the whole path is there: the cut is its first node that passes no gradient. May import
`inspect.recording` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.base.source import Source
from chainrule.graph.node import INPUT, Node, Type
from chainrule.graph.walk import dependents, topological, uses
from chainrule.inspect.cause import Cause, lines_of
from chainrule.inspect.layers import LayerTrace
from chainrule.inspect.overwritten import overwritten
from chainrule.inspect.valued import ValuedTrace

_SHOWN = 3  # the most cuts named
_CHOICES = frozenset({"argmax", "argmin", "argsort", "topk", "searchsorted"})
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_WAYS = {
    "detach": "leave out detach() (or .data) on this line, if the gradient is to pass",
    "no_grad": "compute this line outside of no_grad() (and inference_mode)",
    "cast": "keep this value floating-point: integers and bools have no derivative",
    "choice": "an index has no derivative; use softmax weights, or the values "
    "themselves (max, topk values, gather) instead of their indices",
    "comparison": "a comparison has no derivative; use a smooth form such as sigmoid(k * (x - y)), "
    "or let the values pass through where(condition, x, y)",
    "read out": "stay with tensors: use chainrule's functions instead of NumPy's, and x itself "
    "instead of x.item(), cr.tensor(x) or x.numpy()",
}


def find_cut(trace: LayerTrace, source: Node, loss: Node, subject: str) -> Cause | None:
    """The cut between a node and the loss; None without one."""
    recorded = topological((*trace.recorded, loss))
    down = dependents((source,), recorded)
    if loss not in down:
        return _no_way(trace, down, recorded, loss, subject)
    order = topological((loss,))
    carrying = {source}
    cuts: list[Node] = []
    for node in order:
        if node in down and node not in carrying and not carrying.isdisjoint(node.inputs):
            if _passes(node, trace):
                carrying.add(node)
            else:
                cuts.append(node)
    if loss in carrying:
        return None
    place = {node: i for i, node in enumerate(recorded)}
    cuts.sort(key=lambda n: place[n])
    kind, words = _kind(cuts[0], trace)
    more = f" (and {len(cuts) - 1} more cuts)" if len(cuts) > 1 else ""
    return Cause(
        kind, subject, f"gets no gradient: {words}{more}", _WAYS[kind], lines_of(*cuts[:_SHOWN])
    )


def _passes(node: Node, trace: LayerTrace) -> bool:
    if node in trace.frozen or "cut" in node.op.traits:
        return False
    return not isinstance(node.type, Type) or node.type.dtype.kind == "float"


def _kind(node: Node, trace: LayerTrace) -> tuple[str, str]:
    """The kind of cut at a node, and a few words about it."""
    name = node.op.name
    if "cut" in node.op.traits:
        return "detach", "detach() cuts it off"
    if name in _CHOICES:
        return "choice", f"{name} gives indices, which have no derivative"
    if name in _COMPARISONS:
        return "comparison", "a comparison cuts it off"
    if isinstance(node.type, Type) and node.type.dtype.kind != "float":
        return "cast", f"{name} makes {node.type.dtype.name} of it"
    assert node in trace.frozen
    return "no_grad", "this line is computed under no_grad()"


def _no_way(
    trace: LayerTrace, down: set[Node], recorded: Sequence[Node], loss: Node, subject: str
) -> Cause:
    """The cause if nothing computed from the tensor reaches the loss."""
    users = uses(recorded)
    lost = [n for n in recorded if n in down and n.op is not INPUT and not users.get(n)]
    if isinstance(trace, ValuedTrace):
        read = next((r for r in trace.reads if r.node in lost), None)
        if read is not None:
            back = [n for n in topological((loss,)) if n in trace.constants]
            lines = tuple(s for s in (read.source, *lines_of(*back[:1])) if s is not None)
            text = f"gets no gradient: {read.what} takes its value out of the graph"
            return Cause("read out", subject, text, _WAYS["read out"], lines)
    known = lines_of(*lost[:1])
    again = overwritten(known[0]) if known else None
    if again is not None:
        name, line = again
        return Cause(
            "overwritten",
            subject,
            f"gets no gradient: {name}, computed from it, is overwritten before it is used",
            f"give the two values names of their own, or compute the second from {name}",
            (known[0], Source(known[0].file, line)),
        )
    made = f"{lost[0].op.name}, " if lost else ""
    return Cause(
        "unused",
        subject,
        f"gets no gradient: the last value computed from it, {made}is not used for the loss",
        "use the result for the loss, or leave this computation out",
        known,
    )
