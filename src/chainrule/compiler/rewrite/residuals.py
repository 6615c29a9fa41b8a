"""The reverse of a loop reads the values that the loop computed, instead of recomputing them.

    forward:  y = tanh(x @ w + h)                 →  the same, and y is collected
    reverse:  s = tanh(x @ w + h); dz = d·(1-s²)  →  dz = d·(1-y²), y given step by step

A reverse loop is recognised by its operands: the history of the forward loop, the same inputs, the
same constants. Nodes of its body that are equal to nodes of the forward body have the same values.
Cheap values are recomputed from values at hand. Example: `keep_residuals(graph)`.
"""

from __future__ import annotations

from typing import Any

from chainrule.compiler.rewrite.saving import to_save
from chainrule.compiler.shared.access import virtual
from chainrule.compiler.shared.bodies import Loop, exchange, in_bodies, is_result, loops
from chainrule.graph.node import INPUT, Graph, Node, Type
from chainrule.graph.rewrite import frozen_attrs
from chainrule.graph.walk import dependents, topological, uses
from chainrule.ops.record import Symbolic


def keep_residuals(graph: Graph) -> Graph:
    """Link every reverse loop to the forward loop whose body it computes again."""
    at = 0
    while at < len(found := loops(graph)):
        for forward in found[:at]:
            linked = _link(graph, forward, found[at])
            if linked is not None:
                graph = linked
                break
        else:
            at += 1
    return in_bodies(keep_residuals, graph)


def _link(graph: Graph, forward: Node, reverse: Node) -> Graph | None:
    """The graph in which `reverse` reads residuals of `forward`, or None if there are none."""
    if forward.attrs["length"] != reverse.attrs["length"]:
        return None
    first, second = Loop(forward), Loop(reverse)
    shared = _shared(forward, first, second)
    if not shared:
        return None
    equal = _equal(first, second, shared)
    saved = _residuals(second, equal)
    if not saved:
        return None
    collected = {n: first.collect(equal[n]) for n in saved}
    built = first.build(Symbolic(forward.source))
    second.replace({n: second.step(built.of[y]) for n, y in collected.items()})
    graph = exchange(graph, reverse, second.build(Symbolic(reverse.source)).results())
    return exchange(graph, forward, built.results())


def _shared(forward: Node, first: Loop, second: Loop) -> dict[Node, Node]:
    """Inputs of the second body, as nodes of the first that have their values in the same step."""
    stacks: dict[Node, Node] = {x.outside: x.inside for x in first.xs}
    consts = {c.outside: c.inside for c in first.consts}
    values = [y.value for y in first.ys]
    found: dict[Node, Node] = {}
    if not any(is_result(x.outside, forward) for x in second.xs):
        return found
    for x in second.xs:
        stack = x.outside
        if is_result(stack, forward):
            index = stack.attrs["index"] - len(first.carries)
            if index >= 0:
                found[x.inside] = values[index]
        elif stack in stacks:
            found[x.inside] = stacks[stack]
    found |= {c.inside: consts[c.outside] for c in second.consts if c.outside in consts}
    return found


def _key(node: Node, inputs: tuple[Node, ...]) -> Any:
    return id(node.op), tuple([id(n) for n in inputs]), frozen_attrs(node.attrs)


def _equal(first: Loop, second: Loop, shared: dict[Node, Node]) -> dict[Node, Node]:
    """For each node of the second body the equal one of the first, if there is one."""
    known: dict[Any, Node] = {}
    for node in topological(first.outputs()):
        known.setdefault(_key(node, node.inputs), node)
    equal = dict(shared)
    for node in topological(second.outputs()):
        if node.op is not INPUT and all(child in equal for child in node.inputs):
            same = known.get(_key(node, tuple([equal[child] for child in node.inputs])))
            if same is not None:
                equal[node] = same
    return equal


def _residuals(loop: Loop, equal: dict[Node, Node]) -> list[Node]:
    """The nodes of the reverse body that are residuals."""
    order = topological(loop.outputs())
    users, ends = uses(order), set(loop.outputs())
    consts = {c.inside for c in loop.consts}
    stepped = dependents([n for n in order if n.op is INPUT and n not in consts], order)
    wanted = [
        node
        for node in order
        if node in equal
        and isinstance(node.type, Type)
        and (node in ends or any(user not in equal for user in users[node]))
    ]

    def is_free(node: Node) -> bool:
        return node.op is INPUT or virtual(node) or node not in stepped

    return to_save(order, wanted, is_free, lambda node: node.op.cost == "cheap")
