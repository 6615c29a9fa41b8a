"""A `scan` taken apart, so that passes can give it and take from it, and put together again.

    scan(h0, xs, w; (h, x, w) → (h', y))  ↔  carries [h, h0, h'], xs [x, xs], consts [w, w], ys [y]

The history of the carries is one more thing that is collected: y = h. Example:

    loop = Loop(node)
    more = loop.collect(inner)           # a node of the body becomes a stacked result
    built = loop.build(b)
    built.of[more]                       # … which is this node outside
    graph = exchange(graph, node, built.results())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.walk import ordered, substitute
from chainrule.ops.control import project
from chainrule.ops.record import Builder
from chainrule.ops.scan import scan


@dataclass(eq=False)
class Carried:
    """A carry: the body's input, the value it starts from, and the body's next value."""

    inside: Node
    start: Node
    next: Node


@dataclass(eq=False)
class Given:
    """An operand of the body: its input, and the stack (or the constant) outside."""

    inside: Node
    outside: Node


@dataclass(eq=False)
class Collected:
    """A node of the body whose values of all steps are stacked."""

    value: Node


Part = Carried | Collected  # what a loop has results of


@dataclass(frozen=True)
class Built:
    """The new loop outside: `of` gives the results of its parts, `old` are those of the original.

    A loop without any part is None.
    """

    node: Node | None
    of: dict[Part, Node]
    old: list[Part]

    def results(self, outside: Mapping[Part, Node] | None = None) -> list[Node]:
        """The nodes for the original's results, some of them computed `outside`."""
        found = self.of | dict(outside or {})
        return [found[part] for part in self.old]


class Loop:
    """The parts of a scan; `results` says which part each result of the original belongs to."""

    def __init__(self, node: Node) -> None:
        body: Graph = node.attrs["graph"]
        self.length: int = node.attrs["length"]
        self.reverse: bool = node.attrs["reverse"]
        count, steps = node.attrs["carries"], node.attrs["carries"] + node.attrs["xs"]
        pairs = list(zip(body.inputs, node.inputs, strict=True))
        self.carries = [
            Carried(inside, start, new)
            for (inside, start), new in zip(pairs[:count], body.outputs[:count], strict=True)
        ]
        self.xs = [Given(*pair) for pair in pairs[count:steps]]
        self.consts = [Given(*pair) for pair in pairs[steps:]]
        self.ys = [Collected(value) for value in body.outputs[count:]]
        if node.attrs["history"]:
            self.ys += [Collected(carry.inside) for carry in self.carries]
        self.results: list[Part] = [*self.carries, *self.ys]

    # -- changing ---------------------------------------------------------------------------------

    def inputs(self) -> list[Carried | Given]:
        """The parts to which the body's inputs belong, in order."""
        return [*self.carries, *self.xs, *self.consts]

    def outputs(self) -> list[Node]:
        """The ends of the body."""
        return [*(c.next for c in self.carries), *(y.value for y in self.ys)]

    def collect(self, value: Node) -> Collected:
        """The stack of a body node, new or that which exists."""
        for y in self.ys:
            if y.value is value:
                return y
        self.ys.append(Collected(value))
        return self.ys[-1]

    def step(self, stack: Node) -> Node:
        """The body input for one step of a stack."""
        for x in self.xs:
            if x.outside is stack:
                return x.inside
        self.xs.append(Given(input_node(Type(stack.dtype, stack.shape[1:])), stack))
        return self.xs[-1].inside

    def fix(self, value: Node) -> Node:
        """The body input for a value that all steps share."""
        for c in self.consts:
            if c.outside is value:
                return c.inside
        self.consts.append(Given(input_node(value.type), value))
        return self.consts[-1].inside

    def replace(self, swap: Mapping[Node, Node]) -> None:
        """Substitute nodes of the body."""
        self.set_outputs(substitute(self.outputs(), swap))

    def set_outputs(self, ends: Sequence[Node]) -> None:
        """Exchange the ends of the body."""
        for c, new in zip(self.carries, ends, strict=False):
            c.next = new
        for y, new in zip(self.ys, ends[len(self.carries) :], strict=True):
            y.value = new

    def renew(self) -> None:
        """Give the body inputs of its own, which no other loop has."""
        parts = self.inputs()
        swap = {p.inside: input_node(p.inside.type) for p in parts}
        self.replace(swap)
        for p in parts:
            p.inside = swap[p.inside]

    # -- putting together -------------------------------------------------------------------------

    def body(self) -> Graph:
        """The body as a graph."""
        return Graph(tuple(p.inside for p in self.inputs()), tuple(self.outputs()))

    def build(self, b: Builder) -> Built:
        """The scan of these parts."""
        parts: list[Part] = [*self.carries, *self.ys]
        if not parts:
            return Built(None, {}, self.results)
        node = b(
            scan,
            *(p.start if isinstance(p, Carried) else p.outside for p in self.inputs()),
            graph=self.body(),
            carries=len(self.carries),
            xs=len(self.xs),
            length=self.length,
            reverse=self.reverse,
            history=False,
        )
        of = {part: b(project, node, index=i) for i, part in enumerate(parts)}
        return Built(node, of, self.results)


def is_loop(node: Node) -> bool:
    """Whether the node is a scan."""
    return node.op is scan


def is_result(node: Node, loop: Node) -> bool:
    """Whether the node picks one of a loop's results."""
    return node.op is project and node.inputs[0] is loop


def loops(graph: Graph) -> list[Node]:
    """The scans of a graph, each after those that it reads."""
    return [node for node in ordered(graph) if node.op is scan]


def forget_equals(graph: Graph) -> None:
    """Let go of what is known of equal nodes, here and in bodies: it holds old nodes alive."""
    graph.sharing = None
    for node in loops(graph):
        forget_equals(node.attrs["graph"])


def exchange(graph: Graph, node: Node, results: Sequence[Node]) -> Graph:
    """The graph with other nodes for the results of a scan."""
    order = ordered(graph)
    swap = {n: results[n.attrs["index"]] for n in order if is_result(n, node)}
    return graph.ending(substitute(graph.outputs, swap, order))


def change_loops(
    graph: Graph,
    change: Callable[[Graph, Node], Sequence[Node] | None],
    *,
    last_first: bool = False,
) -> Graph:
    """Offer each loop to `change`, which gives other nodes for its results, or None.

    A changed loop is offered again.
    """
    done: set[Node] = set()
    while True:
        found = reversed(loops(graph)) if last_first else loops(graph)
        node = next((n for n in found if n not in done), None)
        if node is None:
            return graph
        results = change(graph, node)
        if results is None:
            done.add(node)
        else:
            graph = exchange(graph, node, results)


def in_bodies(run: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """The graph with `run` applied to the body of each loop; equal bodies stay one."""
    done: dict[int, tuple[Graph, Graph]] = {}  # by id of the old body
    new: dict[Node, Node] = {}
    for node in ordered(graph) if loops(graph) else ():
        attrs = node.attrs
        if is_loop(node):
            old: Graph = attrs["graph"]
            if id(old) not in done:
                done[id(old)] = old, run(old)
            body = done[id(old)][1]
            attrs = attrs if body is old else {**attrs, "graph": body}
        if attrs is not node.attrs or not new.keys().isdisjoint(node.inputs):
            inputs = tuple([new.get(child, child) for child in node.inputs])
            new[node] = Node(node.op, inputs, attrs, node.type, node.source)
    return graph.ending([new.get(n, n) for n in graph.outputs]) if new else graph


def everywhere(run: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """The graph with `run` applied to it, and then to the bodies of its loops, and theirs."""
    return in_bodies(lambda body: everywhere(run, body), run(graph))
