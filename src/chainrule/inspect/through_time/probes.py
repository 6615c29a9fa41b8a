"""Probes: inputs added to the states of loops, whose gradients are those of the states.

    scan: (carry', y) = body(carry, x)      →   the same with carry' + probe_t, probe_t = 0

∂L/∂probe_t is ∂L/∂carry_t, for all t in one reverse pass. Carries are probed one after the other,
in their order of dependence within a step: h = o·tanh(c) reads the probe of c. May import `ops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.walk import substitute, topological
from chainrule.ops.arithmetic import add
from chainrule.ops.record import Symbolic


@dataclass(frozen=True)
class Probe:
    """A probe: the number of a carry, its loop, and the input added to it."""

    carry: int
    loop: Node
    node: Node  # (steps, …)

    @property
    def last(self) -> int:
        """The index of the step that runs last."""
        return 0 if self.loop.attrs["reverse"] else int(self.loop.attrs["length"]) - 1


def probed(outputs: Sequence[Node]) -> tuple[dict[Node, Node], list[Probe]]:
    """The new node for each node, and the probes; within a loop, later states come last."""
    made: dict[Node, Node] = {}
    probes: list[Probe] = []
    for node in topological(outputs):
        inputs = tuple(made[n] for n in node.inputs)
        if node.op.name == "scan" and node.attrs["length"]:
            made[node], found = _probed_loop(node, inputs)
            probes += found
        else:
            made[node] = node.on(inputs)
    return made, probes


def _probed_loop(node: Node, inputs: tuple[Node, ...]) -> tuple[Node, list[Probe]]:
    attrs = node.attrs
    body: Graph = attrs["graph"]
    count, length = attrs["carries"], attrs["length"]
    end = count + attrs["xs"]
    order = {n: i for i, n in enumerate(topological(body.outputs))}
    carries = [i for i in range(count) if body.outputs[i].dtype.kind == "float"]
    carries.sort(key=lambda i: order[body.outputs[i]])
    b = Symbolic(node.source)
    outs = list(body.outputs)
    inner = []
    for i in carries:
        inner.append(input_node(outs[i].type))
        outs = substitute(outs, {outs[i]: b(add, outs[i], inner[-1])})
    graph = Graph((*body.inputs[:end], *inner, *body.inputs[end:]), tuple(outs))
    outer = [input_node(Type(n.dtype, (length, *n.shape))) for n in inner]
    made = b(
        node.op, *inputs[:end], *outer, *inputs[end:],
        **{**attrs, "graph": graph, "xs": attrs["xs"] + len(outer)},
    )  # fmt: skip
    return made, [Probe(i, made, outside) for i, outside in zip(carries, outer, strict=True)]
