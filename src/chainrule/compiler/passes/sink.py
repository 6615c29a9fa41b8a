"""What a loop's body computes without any later step needing it leaves the loop at the end.

    for t: …; dw = dw + x_tᵀ @ d_t    →   for t: …, collect d_t;    dw = dw0 + Xᵀ @ D
    for t: …; y = d_t @ wᵀ            →   for t: …, collect d_t;    Y = D @ wᵀ

Sums that a carry accumulates become one contraction (or reduction, or scatter_add) over all steps,
and products that are only collected one product. Example: `sink(graph)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chainrule.compiler.passes.access import is_view, virtual
from chainrule.compiler.passes.lift import Lift, liftable, summable
from chainrule.compiler.passes.loop import Carried, Collected, Loop, change_loops, in_bodies
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import dependents, topological, uses
from chainrule.ops.arithmetic import add
from chainrule.ops.fill import full
from chainrule.ops.record import Contract, Symbolic


def sink(graph: Graph) -> Graph:
    """Move what can be moved behind every loop, the innermost first."""
    return change_loops(in_bodies(sink, graph), _sink)


def _sink(graph: Graph, node: Node) -> list[Node] | None:  # noqa: ARG001 - the signature
    loop = Loop(node)
    sums = {c: found for c in loop.carries if (found := _accumulated(loop, c))}
    for carry, terms in sums.items():
        _leave(loop, carry, terms)
    late = _late(loop)
    products = [y for y in loop.ys if y.value in late]
    if not sums and not products:
        return None
    after = _After(loop, late, [*(t for ts in sums.values() for t in ts)], products)
    ends = [after.ends.get(r, r) for r in loop.results]  # the parts that are computed outside
    ...
