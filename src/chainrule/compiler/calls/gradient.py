"""Results of a compiled call that require grad: what backward needs is saved, backward is a plan.

    graph:     inputs → results                       graph:     inputs → results, saved
    gradient:  inputs, cotangents → gradients    →    gradient:  saved, cotangents → gradients

`split` finds what to save when the function is traced: the values that the gradient reads and that
are not cheap to compute again. The gradient's plan is made at the first backward, and a derivative
of the gradient is taken from the graph `inputs, cotangents → gradients`.
Example: `link = split(…)`, and after a call `connect(link, …)` puts the results on the tape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import VerifyError
from chainrule.base.source import place
from chainrule.compiler.pipeline import Captured, Compiled, compile_graph
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.saving import to_save
from chainrule.compiler.runtime.heap import no_collections
from chainrule.compiler.shared.access import virtual
from chainrule.compiler.shared.bodies import everywhere
from chainrule.graph.node import INPUT, Graph, Node, TupleType, Type, input_node
from chainrule.graph.walk import dependents, substitute, topological, uses
from chainrule.ops.control import call, project
from chainrule.ops.record import Builder
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import Backward, Lasting, Recorded

Array = np.ndarray[Any, Any]


class Joint(NamedTuple):
    """A captured graph, the cotangents of some of its results, and gradients of some inputs."""

    graph: Graph
    results: tuple[int, ...]  # the outputs that require grad
    cotangents: tuple[Node, ...]
    wanted: tuple[int, ...]  # the inputs that get a gradient
    gradients: tuple[Node, ...]


@dataclass(eq=False)
class Link:
    """What connects the results of a compiled call with what they were computed from.

    `results` are the numbers of the results that require grad, `wanted` those of the inputs that
    get a gradient. `saved` says what backward reads: input number i, or result number i.
    """

    results: tuple[int, ...]
    wanted: tuple[int, ...]
    forward: Graph
    backward: Graph  # inputs, cotangents → gradients
    saved: tuple[tuple[bool, int], ...]  # whether it is an input, and its number
    plan_graph: Graph = field(compare=False)  # saved, cotangents → gradients, of the other two
    kept: frozenset[int]  # inputs that the gradient reads, and its own gradient too
    _plan: Compiled | None = field(default=None, compare=False)

    def plan(self) -> Compiled:
        """The gradient's plan, made when it is first asked for."""
        if self._plan is None:
            results = len(self.plan_graph.outputs)
            with no_collections():
                self._plan = compile_graph(Captured(self.plan_graph, results, {}))
        return self._plan

    def arena_bytes(self) -> int:
        """Memory that the gradient's plan keeps between calls."""
        return 0 if self._plan is None else self._plan.plan.arena_bytes

    def run(self, saved: Sequence[Array], cotangents: Sequence[Array]) -> list[Array]:
        """The gradients, natively."""
        compiled = self.plan()
        operands = [np.ascontiguousarray(a) for a in (*saved, *cotangents)]
        results = [np.empty(n.shape, n.dtype.numpy) for n in compiled.results]
        arrays = [*operands, *results, np.zeros(1, np.int64)]
        arrays = arrays[: len(compiled.plan.externals)]
        addresses = np.array([a.__array_interface__["data"][0] for a in arrays], np.int64)
        if not compiled.executable.run(addresses):
            raise VerifyError("an index that the forward pass accepted is out of range in backward")
        return results

    def rule(self, b: Builder, node: Node, ct: Sequence[Any]) -> list[Any] | None:
        """The gradient by the plan; None where it is to be differentiated itself."""
        if not isinstance(b, Backward) or b.record_graph:
            return None
        assert isinstance(node.type, TupleType)
        seeds = [
            np.zeros(t.shape, t.dtype.numpy) if c is None else np.asarray(b.value(c))
            for c, t in zip(ct, node.type.items, strict=True)
        ]
        saved = [b.value(node)[at] for at in range(len(self.saved))]
        found: list[Any] = [None] * len(node.inputs)
        for at, gradient in zip(self.wanted, self.run(saved, seeds), strict=True):
            found[at] = gradient
        return found


def split(joint: Joint, count: int) -> tuple[Link, Graph]:
    """The link, and the captured graph with what backward needs after its first `count` outputs."""
    graph, some = joint.graph, len(joint.graph.outputs)
    whole = Graph((*graph.inputs, *joint.cotangents), (*graph.outputs, *joint.gradients))
    whole = keep_residuals(everywhere(run_once, everywhere(inline_calls, whole)))
    outputs, gradients = whole.outputs[:some], whole.outputs[some:]
    saved = _saved(joint.cotangents, outputs, gradients)
    place = {n: (False, i) for i, n in reversed([*enumerate(outputs[:count])])}
    place |= {n: (True, i) for i, n in enumerate(graph.inputs)}
    extra = [n for n in saved if n not in place]
    place |= {n: (False, count + i) for i, n in enumerate(extra)}
    given = {n: input_node(n.type) for n in saved}
    everything = set(topological(joint.gradients))
    link = Link(
        joint.results,
        joint.wanted,
        Graph(graph.inputs, tuple(graph.outputs[i] for i in joint.results)),
        Graph((*graph.inputs, *joint.cotangents), joint.gradients),
        tuple(place[n] for n in saved),
        Graph((*given.values(), *joint.cotangents), tuple(substitute(gradients, given))),
        frozenset(i for i, n in enumerate(graph.inputs) if n in everything),
    )
    return link, Graph(graph.inputs, (*outputs[:count], *extra, *outputs[count:]))


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


def connect(
    link: Link,
    sources: Sequence[Node],
    inputs: Mapping[int, Array],
    results: Sequence[Array],
    name: str,
) -> list[Recorded]:
    """Tape nodes for the results that require grad.

    `sources` are the tape's nodes of the call's inputs, `inputs` the values of those that are kept.
    """
    items = tuple(n.array for n in link.forward.outputs)
    attrs = {
        "graph": link.forward,
        "vjp_graph": link.backward,
        "wanted": link.wanted,
        "rule": link.rule,
        "name": name,
    }
    node = Recorded(call, tuple(sources), attrs, TupleType(items), place())
    kept = tuple([inputs[i] if own else results[i] for own, i in link.saved])
    saved = (*[_value(inputs.get(at), n) for at, n in enumerate(link.forward.inputs)], kept)
    node.saved = saved if link.saved else Lasting(saved)  # what reads nothing may be asked again
    return [Recorded(project, (node,), {"index": i}, t, node.place) for i, t in enumerate(items)]


def _value(value: Array | None, node: Node) -> Array:
    """The value of an input, or zeros without memory where nobody reads it."""
    if value is not None:
        return value
    return np.broadcast_to(np.zeros((), node.dtype.numpy), node.shape)


def tape_node(leaf: Any, type_: Type) -> Node:
    """The tape's node of an argument; of an array, one that gets no gradient."""
    return leaf._tape_node() if isinstance(leaf, Handle) else Recorded(INPUT, (), {}, type_)
