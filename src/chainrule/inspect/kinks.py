"""Decisions of a computation: its masks, winners and sides, and whether a step changes them.

If a decision differs between x and x ± h, a kink lies between them, and the finite difference is
no estimate of the derivative. Decisions inside loops, calls and composite ops count too. Example:

    before = decisions(node, values)
    same(before, decisions(node, other_values))

May import `ops` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import INPUT, Attrs, Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.decomposition import decomposition
from chainrule.ops.evaluate import all_values

Decisions = list[np.ndarray[Any, Any]]


def decides(node: Node) -> bool:
    """Whether the op, or its decomposition, can have a kink."""
    op = node.op
    if op is INPUT:
        return False
    if op.decisions is not None or "control" in op.traits:
        return True
    if op.decompose is None or op.vjp is not None:
        return False
    return any(decides(inner) for inner in topological(decomposition(node).outputs))


def decisions(node: Node, ins: Sequence[Any]) -> Decisions:
    """All decisions of one node for the values of its inputs."""
    op = node.op
    with np.errstate(all="ignore"):
        if op.decisions is not None:
            return [np.asarray(op.decisions(ins, node.attrs))]
        if "control" in op.traits:
            return list(_of_control(node.attrs, ins))
        graph = decomposition(node)
        return list(_of_graph(graph, all_values(graph, ins)))


def same(before: Decisions, after: Decisions) -> bool:
    """Whether the decisions are equal."""
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def _of_graph(graph: Graph, env: Mapping[Node, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The decisions of a graph with known values."""
    inputs = set(graph.inputs)
    for node in topological(graph.outputs):
        if node not in inputs and decides(node):
            yield from decisions(node, [env[n] for n in node.inputs])


def _of_control(attrs: Attrs, ins: Sequence[Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The decisions in a call's body, or in a loop's body at each step."""
    graph: Graph = attrs["graph"]
    if "length" not in attrs:
        yield from _of_graph(graph, all_values(graph, ins))
        return
    if not any(decides(node) for node in topological(graph.outputs)):
        return
    count = attrs["carries"]
    columns = count + attrs["xs"]
    carries, xs, consts = ins[:count], ins[count:columns], ins[columns:]
    steps = range(attrs["length"])
    for t in reversed(steps) if attrs["reverse"] else steps:
        values = (*carries, *(x[t] for x in xs), *consts)
        env = all_values(graph, values)
        yield from _of_graph(graph, env)
        carries = tuple(env[n] for n in graph.outputs[:count])
