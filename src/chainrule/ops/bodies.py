"""A call and a loop with one more leading axis: their bodies are batched, the op stays one op.

    call(x, w; body)        →   call(X, w; body of many examples)
    scan(h, xs, w; body)    →   the same number of steps, each of many examples

`batched(graph, mapped, whole)` gives the body for inputs of which some are `mapped`, and which of
its outputs are: those in `whole` are made so. See `grad/batch.py`, which passes it in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.graph.node import Graph, Node
from chainrule.ops.record import Builder, Symbolic
from chainrule.ops.reduce import sum_

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

Batch = Callable[[Graph, Sequence[bool], Collection[int]], tuple[Graph, list[bool]]]


def batched_call(b: Builder, node: Node, given: Examples, batched: Batch) -> Sequence[Node]:
    """A call of the body of many examples, with its own gradient where there is one."""
    attrs = dict(node.attrs)
    own = "vjp_graph" in attrs
    outs = range(len(attrs["graph"].outputs))
    attrs["graph"], mapped = batched(attrs["graph"], given.mapped, outs if own else ())
    if own:
        attrs["vjp_graph"] = _gradient(attrs, given.mapped, batched)
    if "jvp_graph" in attrs:
        graph: Graph = attrs["jvp_graph"]
        moving = [given.mapped[i] for i in attrs["moves"]]
        flags = [*given.mapped, *[True] * len(attrs["reads"]), *moving]
        attrs["jvp_graph"], _ = batched(graph, flags, range(len(graph.outputs)))
    results = given.items(b(node.op, *given.nodes, **attrs))
    pairs = zip(results, mapped, strict=True)
    return [x if is_mapped else given.repeated(x) for x, is_mapped in pairs]


def _gradient(attrs: dict[str, Any], mapped: Sequence[bool], batched: Batch) -> Graph:
    """The gradient of many examples; what they share gets the sum of theirs."""
    graph: Graph = attrs["vjp_graph"]
    others = len(graph.inputs) - len(mapped)  # results and cotangents
    found, _ = batched(graph, [*mapped, *[True] * others], range(len(graph.outputs)))
    b = Symbolic()
    outs = [
        out if mapped[i] else b(sum_, out, axes=(0,))
        for i, out in zip(attrs["wanted"], found.outputs, strict=True)
    ]
    return Graph(found.inputs, tuple(outs))


def batched_scan(b: Builder, node: Node, given: Examples, batched: Batch) -> Sequence[Node]:
    """The loop over steps of many examples; a carry is mapped once anything mapped reaches it."""
    attrs, mapped = dict(node.attrs), list(given.mapped)
    count, inputs = attrs["carries"], attrs["carries"] + attrs["xs"]
    while True:
        carried = [i for i in range(count) if mapped[i]]
        body, outs = batched(attrs["graph"], mapped, carried)
        if outs[:count] == mapped[:count]:
            break
        mapped[:count] = outs[:count]
    ins = list(given.nodes)
    for i in range(inputs):
        if i < count and mapped[i] > given.mapped[i]:
            ins[i] = given.repeated(ins[i])
        elif i >= count and mapped[i]:
            ins[i] = given.steps(ins[i])
    results = given.items(b(node.op, *ins, **{**attrs, "graph": body}))
    flags = [*outs, *(mapped[:count] if attrs["history"] else ())]
    found = []
    for i, (x, is_mapped) in enumerate(zip(results, flags, strict=True)):
        if not is_mapped:
            found.append(given.repeated(x))
        else:
            found.append(x if i < count else given.steps(x))
    return found
