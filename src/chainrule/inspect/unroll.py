"""A loop as its steps, one after the other, so that each step's contribution can be seen.

    scan(body, h0, xs, w)   →   body(h0, xs[0], w), body(h1, xs[1], w), …

Every step uses the weights anew, so reverse mode sends them one contribution a step. May import
`ops`. Example: `unroll(graph, most=64)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.base.source import Source
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.control import bundle
from chainrule.ops.layout import concat, reshape, slice_
from chainrule.ops.record import Symbolic


def unroll(graph: Graph, most: int) -> tuple[Graph, dict[Node, Node]]:
    """The graph with each loop of up to `most` steps written out, and where old nodes went."""
    made: dict[Node, Node] = {n: n for n in graph.inputs}
    for node in topological(graph.outputs):
        if node in made:
            continue
        inputs = tuple(made[n] for n in node.inputs)
        if "length" in node.attrs and "carries" in node.attrs and node.attrs["length"] <= most:
            made[node] = _steps(node, inputs)
        elif inputs == node.inputs:
            made[node] = node
        else:
            made[node] = Node(node.op, inputs, node.attrs, node.type, node.source)
    return Graph(graph.inputs, tuple(made[n] for n in graph.outputs)), made


def _steps(node: Node, inputs: Sequence[Node]) -> Node:
    """The results of a loop, from one copy of its body for each step."""
    attrs: Mapping[str, Any] = node.attrs
    body: Graph = attrs["graph"]
    length, count = attrs["length"], attrs["carries"]
    end = count + attrs["xs"]
    carries, xs, consts = list(inputs[:count]), inputs[count:end], inputs[end:]
    b = Symbolic(node.source)
    ys: list[list[Node]] = [[] for _ in body.outputs[count:]]
    history: list[list[Node]] = [[] for _ in carries]
    for t in reversed(range(length)) if attrs["reverse"] else range(length):
        for past, carry in zip(history, carries, strict=True):
            past.append(carry)
        now = [_row(b, x, t) for x in xs]
        layer = node.source.layer if node.source else ""
        outs = _copy(body, (*carries, *now, *consts), f"{layer}[step {t}]")
        carries = outs[:count]
        for column, y in zip(ys, outs[count:], strict=True):
            column.append(y)
    columns = [*ys, *(history if attrs["history"] else [])]
    if attrs["reverse"]:
        columns = [column[::-1] for column in columns]
    stacked = [_stacked(b, column) for column in columns]
    return b(bundle, *carries, *stacked)


def _row(b: Symbolic, x: Node, t: int) -> Node:
    """x[t]."""
    rest = x.shape[1:]
    start, step = (t, *[0] * len(rest)), (1,) * len(x.shape)
    return b(reshape, b(slice_, x, start=start, step=step, shape=(1, *rest)), shape=rest)


def _stacked(b: Symbolic, column: Sequence[Node]) -> Node:
    rows = [b(reshape, y, shape=(1, *y.shape)) for y in column]
    return b(concat, *rows, axis=0) if len(rows) > 1 else rows[0]


def _copy(body: Graph, inputs: Sequence[Node], layer: str) -> list[Node]:
    """The body for one step, whose nodes say which step they belong to."""
    made = dict(zip(body.inputs, inputs, strict=True))
    for node in topological(body.outputs):
        if node in made or node.op is INPUT:
            continue
        ins = tuple(made[n] for n in node.inputs)
        file, line = (node.source.file, node.source.line) if node.source else ("", 0)
        made[node] = Node(node.op, ins, node.attrs, node.type, Source(file, line, layer))
    return [made[n] for n in body.outputs]
