"""Mistakes about the uses of an input, whose contributions add up: some left out.

Example: `uses_left_out(graph, values, target)`. May import `grad` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node, input_node
from chainrule.graph.walk import topological, uses
from chainrule.inspect.diagnosis import Pattern
from chainrule.ops.creation import filled
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic

Array = np.ndarray[Any, Any]
_MOST_USES = 12


def gradient_values(graph: Graph, values: Sequence[Any], targets: Sequence[Node]) -> list[Array]:
    """The gradients of a graph's only output; zeros for a target that it does not depend on."""
    b = Symbolic()
    (out,) = graph.outputs
    found = differentiate(b, (out,), (filled(b, 1, out),), targets)
    some = evaluate(Graph(graph.inputs, tuple(g for g in found if g is not None)), values)
    rest = iter(some)
    return [
        np.zeros(t.shape) if g is None else np.asarray(next(rest))
        for t, g in zip(targets, found, strict=True)
    ]


def uses_left_out(
    graph: Graph, values: Sequence[Any], target: Node
) -> Iterator[tuple[Pattern, Array]]:
    """The gradients with some uses of an input left out, or with one alone."""
    split, copies = _split(graph, target)
    if not 1 < len(copies) <= _MOST_USES:
        return
    own = dict(zip(graph.inputs, values, strict=True))[target]
    each = gradient_values(split, [*values, *[own] * len(copies)], copies)
    lines = [str(c.source) if c.source else f"use {i + 1}" for i, c in enumerate(copies)]
    tried = 0
    for kept in range(1, len(copies)):
        for chosen in combinations(range(len(copies)), kept):
            missing = [lines[i] for i in range(len(copies)) if i not in chosen]
            words = (
                f"the input is used {len(copies)} times and the contributions add up: missing is "
                f"that of {', '.join(missing)}"
            )
            yield Pattern("use-left-out", words), np.sum([each[i] for i in chosen], axis=0)
            tried += 1
        if tried > 4 * _MOST_USES:
            return


def _split(graph: Graph, target: Node) -> tuple[Graph, list[Node]]:
    """The graph with a separate input for each use of `target`."""
    order = topological(graph.outputs)
    count = len(uses(order).get(target, ()))
    copies: list[Node] = []
    made: dict[Node, Node] = {}
    for node in order:
        ins = []
        for child in node.inputs:
            if child is target and count > 1:
                copies.append(input_node(target.type, node.source))
                ins.append(copies[-1])
            else:
                ins.append(made.get(child, child))
        changed = any(a is not b for a, b in zip(ins, node.inputs, strict=True))
        new = Node(node.op, tuple(ins), node.attrs, node.type, node.source)
        made[node] = new if changed else node
    outs = tuple(made.get(n, n) for n in graph.outputs)
    return Graph((*graph.inputs, *copies), outs), copies
