"""Work of a loop's body that no later step reads leaves the loop at its end.

    for t: …; dw = dw + x_tᵀ @ d_t    →   for t: …, collect d_t;    dw = dw0 + Xᵀ @ D
    for t: …; y = d_t @ wᵀ            →   for t: …, collect d_t;    Y = D @ wᵀ

Sums that a carry accumulates become one contraction (or reduction, or scatter_add) over all steps;
a product that is only collected becomes one product, with the work that follows it.
Example: `sink(graph)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.compiler.rewrite.lift import Lift, liftable, summable
from chainrule.compiler.shared.access import is_filled, is_view, origin, virtual
from chainrule.compiler.shared.bodies import Carried, Loop, Part, change_loops, in_bodies
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import dependents, topological, uses
from chainrule.ops.arithmetic import add
from chainrule.ops.record import Contract, Symbolic


def sink(graph: Graph) -> Graph:
    """Move work behind every loop, the innermost first."""
    return change_loops(in_bodies(sink, graph), _sink)


def _sink(graph: Graph, node: Node) -> list[Node] | None:  # noqa: ARG001 - the signature
    loop = Loop(node)
    sums = _leave(loop)
    late = _late(loop)
    ends = [y for y in loop.ys if y.value in late]
    if not sums and not ends:
        return None
    moved = [*(y.value for y in ends), *(t for terms in sums.values() for t in terms)]
    loop.ys = [y for y in loop.ys if y not in ends]
    loop.carries = [c for c in loop.carries if c.next is not c.inside or c not in sums]
    cuts = {n: loop.collect(n) for n in _cuts(loop, moved, late)}
    b = Symbolic(node.source)
    built = loop.build(b)
    stacks = {x.inside: x.outside for x in loop.xs} | {n: built.of[y] for n, y in cuts.items()}
    lift = Lift(b, loop.length, stacks, {c.inside: c.outside for c in loop.consts})
    outside: dict[Part, Node] = {y: lift(y.value) for y in ends}
    for carry, terms in sums.items():
        parts = [lift.total(t) for t in terms]
        outside[carry] = _total(b, built.of.get(carry, carry.start), parts)
    return built.results(outside)


def _total(b: Symbolic, start: Node, parts: Iterable[Node]) -> Node:
    """start + Σ parts; a start of zeros is left out."""
    total = None if is_filled(start, 0) else start
    for part in parts:
        total = part if total is None else b(add, total, part)
    return start if total is None else total


# -- sums -----------------------------------------------------------------------------------------


def _leave(loop: Loop) -> dict[Carried, list[Node]]:
    """Terms that can be summed outside are taken from the sums that carries accumulate.

    carry' = carry + term + 0 + rest   →   carry' = carry + rest
    """
    ends = loop.outputs()
    users = uses(topological(ends))
    leaves = {c: tree for c in loop.carries if (tree := _accumulated(c, users, ends))}
    inside = {node for _, nodes in leaves.values() for node in nodes}  # the additions

    def summed_outside(node: Node) -> bool:
        """Whether it is summable, or a view of that, and only such sums read it."""
        while True:
            if node in ends or any(u not in inside for u in users[node]):
                return False
            if not is_view(node):
                return node.op is not INPUT and summable(node)
            inside.add(node)
            node = node.inputs[0]

    found: dict[Carried, list[Node]] = {}
    for carry, (terms, _) in leaves.items():
        out = [t for t in terms if summed_outside(t)]
        stay = [t for t in terms if t not in out and t is not carry.inside and not is_filled(t, 0)]
        if len(stay) < len(terms) - 1:
            b, total = Symbolic(carry.next.source), carry.inside
            for term in stay:
                total = b(add, total, term)
            found[carry], carry.next = out, total
    return found


def _accumulated(
    carry: Carried, users: Mapping[Node, Sequence[Node]], ends: Sequence[Node]
) -> tuple[list[Node], set[Node]] | None:
    """The terms of a sum that has the carry as one of them, and its additions; None if it is none.

    Nothing else reads the carry or a partial sum.
    """

    def only_here(node: Node) -> bool:
        return len(users[node]) + ends.count(node) == 1

    terms: list[Node] = []
    additions: set[Node] = set()
    waiting = [carry.next]
    while waiting:
        node = waiting.pop()
        if node.op is add and only_here(node):
            additions.add(node)
            waiting.extend(reversed(node.inputs))
        else:
            terms.append(node)
    good = additions and terms.count(carry.inside) == 1 and only_here(carry.inside)
    return (terms, additions) if good else None


# -- products -------------------------------------------------------------------------------------


def _late(loop: Loop) -> set[Node]:
    """Products that no carry needs, and the liftable nodes that follow them."""
    order = topological(loop.outputs())
    users = uses(order)
    early = set(topological(c.next for c in loop.carries))
    consts = {c.inside for c in loop.consts}
    varying = dependents([n for n in order if n.op is INPUT and n not in consts], order)
    stay: set[Node] = set()
    while True:
        late: set[Node] = set()
        for node in order:
            if node in early or node in stay or node not in varying or node.op is INPUT:
                continue
            follows = any(origin(c, ()) in late for c in node.inputs)
            if liftable(node, varying) and (isinstance(node.op.lower, Contract) or follows):
                late.add(node)
        read_inside = {n for n in late if any(user not in late for user in users[n])}
        if not read_inside:
            return late
        stay |= read_inside


def _cuts(loop: Loop, moved: Iterable[Node], late: set[Node]) -> list[Node]:
    """The nodes of the body that moved nodes read: they must be collected."""
    moved = list(moved)
    order = topological(moved)
    given = {p.inside for p in (*loop.xs, *loop.consts)}
    consts = {c.inside for c in loop.consts}
    varying = dependents([n for n in order if n.op is INPUT and n not in consts], order)
    inside = late | {origin(n, ()) for n in moved}
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    while moved:
        node = moved.pop()
        if node in seen or node in given or virtual(node):
            continue
        seen.add(node)
        if node in inside or is_view(node) or node not in varying:
            moved.extend(node.inputs)
        else:
            found[node] = None
    return list(found)
