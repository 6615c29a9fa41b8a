"""Unrolling of loops, so that the contribution of each step is visible.

    scan(body, h0, xs, w)   →   body(h0, xs[0], w), body(h1, xs[1], w), …

Every step is a use of the weights, so reverse mode sends them one contribution for each step. May
import `ops`. Example: `unroll(graph, most=64)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.base.source import Source
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.control import bundle, call, project
from chainrule.ops.layout import concat, reshape, slice_
from chainrule.ops.record import Op, Symbolic

MOST_STEPS = 64  # the most steps unrolled for display


@dataclass(frozen=True)
class Unrolled:
    """A graph with loops unrolled, the new nodes of old ones, and the nodes of each loop."""

    graph: Graph
    made: dict[Node, Node]
    inside: dict[Node, list[Node]]

    def as_written(self, recorded: Sequence[Node]) -> list[Node]:
        """All nodes in the order of recording, inputs just before their first use.

        `recorded` are old nodes in that order; other nodes come last.
        """
        order = topological(self.graph.outputs[:1])
        needed = set(order)
        out: dict[Node, None] = {}
        for old in recorded:
            new = self.made.get(old)
            for node in (*self.inside.get(new, ()), new) if new is not None else ():
                if node in needed:
                    out.update(dict.fromkeys(topological((node,), out)))
        out.update(dict.fromkeys(order))
        return list(out)


def plain_call(node: Node) -> bool:
    """Whether a node is a call with the gradient of its body, as in checkpointing."""
    return node.op is call and "graph" in node.attrs and "vjp_graph" not in node.attrs


def unroll(graph: Graph, most: int, opened: Callable[[Node], bool] = plain_call) -> Unrolled:
    """The graph with each loop of up to `most` steps unrolled, and some calls inlined."""
    made: dict[Node, Node] = {n: n for n in graph.inputs}
    inside: dict[Node, list[Node]] = {}
    for node in topological(graph.outputs):
        if node in made:
            continue
        inputs = tuple(made[n] for n in node.inputs)
        if "length" in node.attrs and "carries" in node.attrs and node.attrs["length"] <= most:
            b = _Noting(node.source)
            made[node] = _steps(b, node, inputs)
            inside[made[node]] = b.made
        elif opened(node):
            b = _Noting(node.source)
            body = unroll(node.attrs["graph"], most, opened).graph
            made[node] = b(bundle, *_copy(b, body, inputs, node.source))
            inside[made[node]] = b.made
        elif node.op is project and inputs[0].op is bundle:
            made[node] = inputs[0].inputs[node.attrs["index"]]
        else:
            made[node] = node.on(inputs)
    return Unrolled(Graph(graph.inputs, tuple(made[n] for n in graph.outputs)), made, inside)


class _Noting(Symbolic):
    """A builder that keeps its nodes in order."""

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        self.made: list[Node] = []

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        self.made.append(super().__call__(op, *inputs, **attrs))
        return self.made[-1]


def _steps(b: _Noting, node: Node, inputs: Sequence[Node]) -> Node:
    """The results of a loop, by one copy of its body for each step."""
    attrs: Mapping[str, Any] = node.attrs
    body: Graph = attrs["graph"]
    length, count = attrs["length"], attrs["carries"]
    end = count + attrs["xs"]
    carries, xs, consts = list(inputs[:count]), inputs[count:end], inputs[end:]
    ys: list[list[Node]] = [[] for _ in body.outputs[count:]]
    history: list[list[Node]] = [[] for _ in carries]
    for t in reversed(range(length)) if attrs["reverse"] else range(length):
        for past, carry in zip(history, carries, strict=True):
            past.append(carry)
        now = [row(b, x, t) for x in xs]
        file, line, layer = node.source or ("", 0, "")
        here = Source(file, line, f"{layer}[step {t}]")
        outs = _copy(b, body, (*carries, *now, *consts), here)
        carries = outs[:count]
        for column, y in zip(ys, outs[count:], strict=True):
            column.append(y)
    columns = [*ys, *(history if attrs["history"] else [])]
    if attrs["reverse"]:
        columns = [column[::-1] for column in columns]
    stacked = [_stacked(b, column) for column in columns]
    return b(bundle, *carries, *stacked)


def row(b: Symbolic, x: Node, t: int) -> Node:
    """x[t]."""
    rest = x.shape[1:]
    start, step = (t, *[0] * len(rest)), (1,) * len(x.shape)
    return b(reshape, b(slice_, x, start=start, step=step, shape=(1, *rest)), shape=rest)


def _stacked(b: Symbolic, column: Sequence[Node]) -> Node:
    rows = [b(reshape, y, shape=(1, *y.shape)) for y in column]
    return b(concat, *rows, axis=0) if len(rows) > 1 else rows[0]


def _copy(b: _Noting, body: Graph, inputs: Sequence[Node], here: Source | None) -> list[Node]:
    """Copies of the body's nodes on other inputs, with their lines, in the layer or step `here`."""
    made = dict(zip(body.inputs, inputs, strict=True))
    for node in topological(body.outputs):
        if node in made or node.op is INPUT:
            continue
        ins = tuple(made[n] for n in node.inputs)
        source = node.source or here
        if source is not None and here is not None:
            layer = here.layer + (source.layer if source.layer.startswith("[") else "")
            source = Source(source.file, source.line, layer)
        made[node] = Node(node.op, ins, node.attrs, node.type, source)
        b.made.append(made[node])
    return [made[n] for n in body.outputs]
