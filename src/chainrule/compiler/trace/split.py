"""A traced call whose results require grad is cut in two; what backward needs is saved.

    graph:     inputs → results                       graph:     inputs → results, saved
    gradient:  inputs, cotangents → gradients    →    gradient:  saved, cotangents → gradients

Saved are the values that the gradient reads and that are not cheap to compute again; both halves
become plans. A derivative of the gradient is taken from the graph `inputs, cotangents → gradients`.
Example: `halves, graph = split(joint, count)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.saving import to_save
from chainrule.compiler.shared.access import virtual
from chainrule.compiler.shared.bodies import everywhere
from chainrule.graph.node import INPUT, Graph, Node, Type, input_node
from chainrule.graph.walk import dependents, substitute, topological, uses


class Joint(NamedTuple):
    """A captured graph, the cotangents of some of its results, and gradients of some inputs."""

    graph: Graph
    results: tuple[int, ...]  # the outputs that require grad
    cotangents: tuple[Node, ...]
    wanted: tuple[int, ...]  # the inputs that get a gradient
    gradients: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """The gradient's half, and how it hangs together with the other.

    `results` are the numbers of the results that require grad, `wanted` those of the inputs that
    get a gradient. `saved` says what backward reads: input number i, or result number i.
    """

    results: tuple[int, ...]
    wanted: tuple[int, ...]
    forward: Graph
    backward: Graph  # inputs, cotangents → gradients
    saved: tuple[tuple[bool, int], ...]  # whether it is an input, and its number
    half: Graph = field(compare=False)  # saved, cotangents → gradients: follows from the others
    kept: frozenset[int]  # inputs that the gradient reads, and its own gradient too


def split(joint: Joint, count: int) -> tuple[Split, Graph]:
    """The cut, and the graph with what backward needs after its first `count` outputs."""
    graph, some = joint.graph, len(joint.graph.outputs)
    whole = Graph((*graph.inputs, *joint.cotangents), (*graph.outputs, *joint.gradients))
    whole = keep_residuals(everywhere(run_once, everywhere(inline_calls, whole)))
    outputs, gradients = whole.outputs[:some], whole.outputs[some:]
    saved = _saved(joint.cotangents, outputs, gradients)
    known = {n: (False, i) for i, n in reversed([*enumerate(outputs[:count])])}
    known |= {n: (True, i) for i, n in enumerate(graph.inputs)}
    extra = [n for n in saved if n not in known]
    known |= {n: (False, count + i) for i, n in enumerate(extra)}
    given = {n: input_node(n.type) for n in saved}
    everything = set(topological(joint.gradients))
    halves = Split(
        joint.results,
        joint.wanted,
        Graph(graph.inputs, tuple(graph.outputs[i] for i in joint.results)),
        Graph((*graph.inputs, *joint.cotangents), joint.gradients),
        tuple(known[n] for n in saved),
        Graph((*given.values(), *joint.cotangents), tuple(substitute(gradients, given))),
        frozenset(i for i, n in enumerate(graph.inputs) if n in everything),
    )
    return halves, Graph(graph.inputs, (*outputs[:count], *extra, *outputs[count:]))


def _saved(
    cotangents: Sequence[Node], outputs: Sequence[Node], gradients: Sequence[Node]
) -> list[Node]:
    """Values that the gradient reads, in order, and that are not cheap to compute from others."""
    order = topological(gradients)
    later = dependents(cotangents, order)
    users, ends = uses(order), set(gradients)
    forward = set(topological(outputs))
    wanted = [
        node
        for node in order
        if node not in later
        and isinstance(node.type, Type)
        and (node in ends or any(user in later for user in users[node]))
    ]

    def is_cheap(node: Node) -> bool:
        if node.op is INPUT:
            return False
        return node.op.cost == "cheap" or (node not in forward and "random" not in node.op.traits)

    return to_save(order, wanted, virtual, is_cheap)
