"""The graph of a job: of an op, or of the vjp of one node.

    softmax(x)                     →   x ↦ softmax(x)
    the vjp of tanh, saving out    →   (ct, out) ↦ ct · (1 - out²)

Example: `graph_of(node, job)` for a node on inputs.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.graph.node import INPUT, Graph, Node, TupleType, input_node
from chainrule.ops.control import project
from chainrule.ops.decomposition import replay
from chainrule.ops.record import Symbolic
from chainrule.tensor.calls import rule_graph
from chainrule.tensor.large import Job


class JobGraph(NamedTuple):
    """A graph, and what the job gives: numbers in (results…, inputs…), or None."""

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
    fresh = [n if n.op is INPUT else input_node(n.type) for n in inputs]
    made = replay(Symbolic(), outputs, dict(zip(inputs, fresh, strict=True)))
    results = list(dict.fromkeys(n for n in made if n is not None and n.op is not INPUT))
    number = {n: i for i, n in enumerate((*results, *fresh))}
    ends = [None if n is None else number[n] for n in made]
    return JobGraph(Graph(tuple(fresh), tuple(results)), tuple(ends))
