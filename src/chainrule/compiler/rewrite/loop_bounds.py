"""The indices that bodies of loops check: each is checked outside, for all steps at once.

    for t: gather(table, x_t)       →   0 ≤ X < limit, for all steps at once
    for t: gather(table, f(h_t))    →   f(h_t) is collected as F;  0 ≤ F < limit

Example: `loop_bounds(graph)` → the graph, and [(index node, limit, reader)].
"""

from __future__ import annotations

from chainrule.compiler.rewrite.bounds import bounds
from chainrule.compiler.shared.bodies import Loop, exchange, loops
from chainrule.compiler.shared.captured import Bound
from chainrule.graph.node import Graph, Node
from chainrule.ops.record import Symbolic


def loop_bounds(graph: Graph) -> tuple[Graph, list[Bound]]:
    """The graph, with indices collected where needed, and the index bounds of all bodies."""
    count, limits = len(graph.outputs), list[Bound]()
    done: set[Node] = set()
    while True:
        node = next((n for n in loops(graph) if n not in done), None)
        if node is None:
            break
        graph, found, new = _loop(graph, node)
        limits += found
        done.add(new)
    indices = graph.outputs[count:]  # they were rebuilt with the graph
    limits = [b._replace(indices=n) for b, n in zip(limits, indices, strict=True)]
    return graph.ending(graph.outputs[:count]), limits


def _loop(graph: Graph, node: Node) -> tuple[Graph, list[Bound], Node]:
    """The graph with one loop's indices as further outputs, their bounds, and the new loop."""
    loop = Loop(node)
    body, limits = loop_bounds(loop.body())
    limits = [*bounds(body), *limits]
    if not limits:
        return graph, [], node
    loop.set_outputs(body.outputs)
    known = {p.inside: p.outside for p in (*loop.xs, *loop.consts)}
    more = {b.indices: loop.collect(b.indices) for b in limits if b.indices not in known}
    built = loop.build(Symbolic(node.source))
    indices = [known.get(b.indices) or built.of[more[b.indices]] for b in limits]
    graph = graph.ending([*graph.outputs, *indices])
    assert built.node is not None
    return exchange(graph, node, built.results()), limits, built.node
