"""The graph of a job: of an op, or of the vjp of one node.

    softmax(x)                     →   x ↦ softmax(x)
    the vjp of tanh, saving out    →   (ct, out) ↦ ct · (1 - out²)

Example: `graph_of(node, job)` for a node on inputs.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.graph.node import INPUT, Graph, Node, TupleType, input_node
from chainrule.graph.walk import topological
from chainrule.ops.control import bundle, project
from chainrule.ops.decomposition import replay
from chainrule.ops.record import Map, Symbolic, Template
from chainrule.tensor.calls import rule_graph
from chainrule.tensor.large import Job

_ONE_PASS = frozenset({"gather", "argmax", "search", "overlay"})  # that NumPy has a function for
_SEVERAL = 6  # passes of an op that decomposes or has a template, at least
_OF_DEAR = 3  # of an elementwise op that is not cheap


class JobGraph(NamedTuple):
    """A graph, and what the job gives: numbers in (results…, inputs…), or None.

    A saved tuple is as many inputs as it has items.
    """

    graph: Graph
    ends: tuple[int | None, ...]


def graph_of(node: Node, job: Job) -> JobGraph:
    """The graph of `job` for a node of its op on inputs, perhaps of other extents."""
    if job.wanted is None:
        count = len(node.results)
        b = Symbolic()
        several = isinstance(node.type, TupleType)
        outs = [b(project, node, index=i) for i in range(count)] if several else [node]
        return JobGraph(Graph(node.inputs, tuple(outs)), tuple(range(count)))
    inputs, outputs = rule_graph(node, job.call.saves, job.wanted, job.absent)
    b, known, fresh = Symbolic(), {}, []
    for n in inputs:
        arrays = [n] if n.op is INPUT else [input_node(t) for t in n.results]
        known[n] = b(bundle, *arrays) if isinstance(n.type, TupleType) else arrays[0]
        fresh += arrays
    made = replay(b, outputs, known)
    results = list(dict.fromkeys(n for n in made if n is not None and n.op is not INPUT))
    number = {n: i for i, n in enumerate((*results, *fresh))}
    ends = [None if n is None else number[n] for n in made]
    return JobGraph(Graph(tuple(fresh), tuple(results)), tuple(ends))


def passes(graph: Graph) -> int:
    """The passes over memory in which NumPy evaluates a graph, about."""
    return sum([_passes(node) for node in topological(graph.outputs)])


def _passes(node: Node) -> int:
    if node.op is INPUT or node.op.cost == "free" or "structure" in node.op.traits:
        return 0
    lower = node.op.lower
    if isinstance(lower, Template):
        return 1 if lower.name in _ONE_PASS else _SEVERAL
    if lower is None:
        return _SEVERAL
    return _OF_DEAR if isinstance(lower, Map) and node.op.cost == "dear" else 1
