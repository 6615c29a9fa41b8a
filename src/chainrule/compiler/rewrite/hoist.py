"""Work of a loop's body that does not depend on its carries leaves the loop.

    for t: z = x_t @ w + b; h = tanh(z + h @ u)    →   Z = X @ w + b;  for t: h = tanh(z_t + h @ u)
    for t: h = tanh(h @ (u · mask))                →   v = u · mask;   for t: h = tanh(h @ v)

A product of operands that are given step by step becomes one product over all steps, together with
the elementwise work that follows it; so does work whose result is only collected. Loop-invariant
work is computed once. Example: `hoist(graph)`.
"""

from __future__ import annotations

from chainrule.compiler.rewrite.lift import Lift, liftable
from chainrule.compiler.shared.access import is_view, origin, virtual
from chainrule.compiler.shared.bodies import Loop, change_loops, in_bodies
from chainrule.graph.node import INPUT, Graph, Node, TupleType
from chainrule.graph.walk import dependents, topological, uses
from chainrule.ops.record import Contract, Symbolic


def hoist(graph: Graph) -> Graph:
    """Move work out of every loop, the innermost first."""
    return change_loops(in_bodies(hoist, graph), _hoist)


def _hoist(graph: Graph, node: Node) -> list[Node] | None:  # noqa: ARG001 - the signature
    loop = Loop(node)
    body = _Body(loop)
    given = [y for y in loop.ys if y.value.op is not INPUT and y.value in body.movable]
    loop.ys = [y for y in loop.ys if y not in given]
    body = _Body(loop)
    fixed, stepped = body.fixed_ends(), body.stepped_ends()
    if not (given or fixed or stepped):
        return None
    b = Symbolic(node.source)
    stacks = {x.inside: x.outside for x in loop.xs}
    lift = Lift(b, loop.length, stacks, {c.inside: c.outside for c in loop.consts})
    swap = {}
    for n in fixed:
        lift.reach(n)
        swap[n] = loop.fix(lift.fixed[n])
    swap |= {n: loop.step(lift(n)) for n in stepped}
    loop.replace(swap)
    return loop.build(b).results({y: lift(y.value) for y in given})


class _Body:
    """The nodes of a body, sorted by what they depend on."""

    def __init__(self, loop: Loop) -> None:
        self.ends = set(loop.outputs())
        self.order = topological(self.ends)
        self.users = uses(self.order)
        self.carried = dependents([c.inside for c in loop.carries], self.order)
        self.stepped = dependents([x.inside for x in loop.xs], self.order) - self.carried
        self.movable = self._movable()

    def read_elsewhere(self, node: Node, moved: set[Node]) -> bool:
        """Whether a node that stays reads this one, directly or through views."""
        waiting = [node]
        while waiting:
            seen = waiting.pop()
            if seen in self.ends:
                return True
            for user in self.users[seen]:
                if is_view(user):
                    waiting.append(user)
                elif user not in moved:
                    return True
        return False

    def fixed_ends(self) -> list[Node]:
        """Nodes that are the same in every step, cost something, and are read by the rest."""
        fixed = {
            n
            for n in self.order
            if not (n.op is INPUT or virtual(n) or is_view(n) or isinstance(n.type, TupleType))
            and n not in self.carried
            and n not in self.stepped
        }
        return [n for n in self.order if n in fixed and self.read_elsewhere(n, fixed)]

    def _movable(self) -> set[Node]:
        """Inputs given step by step, and nodes computed from them over all steps."""
        found: set[Node] = set()
        for node in self.order:
            known = all(c in found or c not in self.stepped for c in node.inputs)
            if known and node in self.stepped and liftable(node, self.stepped):
                found.add(node)
        return found

    def stepped_ends(self) -> list[Node]:
        """Products of given operands and elementwise nodes that follow, where the rest reads."""
        moved: set[Node] = set()
        for node in self.order:
            if node in self.movable and node.op is not INPUT and self.worth(node, moved):
                moved.add(node)
        return [n for n in self.order if n in moved and self.read_elsewhere(n, moved)]

    @staticmethod
    def worth(node: Node, moved: set[Node]) -> bool:
        """Whether it is a product, or elementwise work on one that moves, and no larger."""
        if isinstance(node.op.lower, Contract):
            return True
        if "elementwise" not in node.op.traits:
            return False
        sources = [origin(c, ()) for c in node.inputs]
        return any(s in moved and node.array.size <= s.array.size for s in sources)
