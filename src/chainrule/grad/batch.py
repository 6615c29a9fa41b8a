"""Batching: a graph of one example becomes a graph of many, with their axis in front.

    y = tanh(x @ w)   →   Y = tanh(X @ w)           X (n, …) has all examples, w is shared

Nodes are visited once in topological order. What depends on no mapped input stays one node for all
examples; at the others the op's `batch` makes the op of many. An op that has none is batched
through what it decomposes into, or else done by a loop over the examples. Imports ops and graph.

Example: `batch(b, (y,), (x,), (X,), 32)` → the node of all y.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from chainrule.grad.forward import propagate
from chainrule.graph.node import Graph, Node, TupleType, Type, input_node
from chainrule.ops.control import items
from chainrule.ops.decomposition import decomposition, replay
from chainrule.ops.examples import Examples
from chainrule.ops.record import Builder, Symbolic

# Of a node with several results, one for each
Stack = Node | list[Node]
Tell = Callable[[Node], None]


def batch(
    b: Builder,
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    stacks: Sequence[Node | None],
    size: int,
    tell: Tell | None = None,
) -> list[Node | None]:
    """Each output of `size` examples, None where it is the same for all.

    `stacks` are the `inputs` of all examples, the first axis theirs; None where they share one.
    `tell(node)` hears of nodes whose op has no `batch` and is done by a loop.
    """
    return propagate(b, outputs, inputs, stacks, partial(_batched, b, size, tell))


def batched(
    graph: Graph,
    mapped: Sequence[bool],
    whole: Collection[int] = (),
    *,
    size: int,
    tell: Tell | None = None,
) -> tuple[Graph, list[bool]]:
    """The graph of `size` examples, and which of its outputs have their axis.

    `mapped` says which inputs have it; the outputs numbered in `whole` get it in any case.
    """
    b = Symbolic()
    stacks = [
        input_node(Type(n.dtype, (size, *n.shape))) if is_mapped else None
        for n, is_mapped in zip(graph.inputs, mapped, strict=True)
    ]
    found = batch(b, graph.outputs, graph.inputs, stacks, size, tell)
    shared = Examples(b, (), (), size)
    for i in whole:
        if found[i] is None:
            found[i] = shared.repeated(graph.outputs[i])
    inputs = [n if stack is None else stack for n, stack in zip(graph.inputs, stacks, strict=True)]
    outs = [n if stack is None else stack for n, stack in zip(graph.outputs, found, strict=True)]
    return Graph(tuple(inputs), tuple(outs)), [stack is not None for stack in found]


def _batched(
    b: Builder, size: int, tell: Tell | None, node: Node, known: Mapping[Node, Stack]
) -> Stack:
    op = node.op
    if "projection" in op.traits:
        return known[node.inputs[0]][node.attrs["index"]]  # type: ignore[index]
    nodes: list[Any] = [known.get(child, child) for child in node.inputs]
    given = Examples(b, nodes, [child in known for child in node.inputs], size)
    if "structure" in op.traits:
        return given.stacked()
    if op.batch is not None:
        more = (partial(batched, size=size, tell=tell),) if "control" in op.traits else ()
        found = op.batch(b, node, given, *more)
    elif op.decompose is not None:
        graph, _ = batched(
            decomposition(node), given.mapped, range(len(node.results)), size=size, tell=tell
        )
        found = replay(b, graph.outputs, dict(zip(graph.inputs, nodes, strict=True)))
    else:
        if tell is not None:
            tell(node)
        found = given.looped(node)
    return _results(b, node, found)


def _results(b: Builder, node: Node, found: Any) -> Stack:
    """A node of all examples, or one for each result."""
    if isinstance(node.type, TupleType):
        return list(found) if isinstance(found, (list, tuple)) else items(b, found)
    return found[0] if isinstance(found, (list, tuple)) else found  # type: ignore[no-any-return]
