"""The search for the classic mistake that explains a wrong gradient: each is tried at each node.

A wrong vjp at one node changes the gradient by the pulled back difference of its parts, so the
backward pass below a node runs once for all mistakes there. The same mistake at all nodes of one
line – the steps of a loop, say – and two mistakes on separate paths are tried too.
Example: `explain(graph, values, target, claim)`. May import `inspect.mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.grad.reverse import differentiate, local_rule
from chainrule.graph.node import INPUT, Graph, Node, TupleType, input_node
from chainrule.graph.walk import dependents, topological
from chainrule.inspect.mistakes.contributions import PATHS, of_choice, of_paths
from chainrule.inspect.mistakes.elementwise import of_arithmetic, of_function, of_logarithm
from chainrule.inspect.mistakes.lookups import of_places
from chainrule.inspect.mistakes.matrix_products import of_product, of_transpose
from chainrule.inspect.mistakes.mistake import Mistake, Visit
from chainrule.inspect.mistakes.row_functions import of_rows
from chainrule.inspect.unroll import MOST_STEPS, unroll
from chainrule.ops.attention import attention, attention_scores
from chainrule.ops.control import bundle, project
from chainrule.ops.creation import filled
from chainrule.ops.evaluate import all_values, moved
from chainrule.ops.normalize import logsumexp, softmax
from chainrule.ops.products import matmul
from chainrule.ops.record import Symbolic

Array = np.ndarray[Any, Any]
_RULES: tuple[Callable[[Node], Iterator[Mistake]], ...] = (
    of_rows, of_function, of_logarithm, of_arithmetic, of_product, of_transpose, of_places,
    of_choice,
)  # fmt: skip
_MOST_NODES = 400
_MOST_WORK = 2_000_000  # the most entries of the graph times nodes
_MOST_PAIRS = 400


class Explanation(NamedTuple):
    """A mistake, its nodes, and the difference it makes to the gradient.

    Of two that explain the same, the one of lower rank is chosen: mistakes at an op before those
    of paths, a path left out before one counted twice.
    """

    code: str
    words: str
    nodes: tuple[Node, ...]
    change: Array
    rank: int

    @property
    def is_path(self) -> bool:
        """Whether the mistake is possible at any node."""
        return self.rank >= len(_RULES)


def explanations(graph: Graph, values: Sequence[Any], target: Node) -> list[Explanation]:
    """Every single mistake that changes the gradient of `target`, by rank."""
    search = _Search(graph, values, target)
    found = [e for node in search.ways for e in search.at(node)]
    found += search.everywhere(found)
    return sorted(found, key=lambda e: e.rank)


def matching(found: Sequence[Explanation], off: Array, limit: float) -> list[Explanation]:
    """The explanations of the difference `off`, within `limit`."""
    return [e for e in found if float(np.max(np.abs(e.change - off))) <= limit]


def pairs(
    found: Sequence[Explanation], off: Array, limit: float
) -> Iterator[tuple[Explanation, Explanation]]:
    """Two mistakes on separate paths, whose changes add up to `off`."""
    several = [e for e in found if len(e.nodes) == 1][:_MOST_PAIRS]
    changes = np.array([e.change.ravel() for e in several])
    for i, first in enumerate(several):
        rest = off.ravel() - changes[i]
        near = np.max(np.abs(changes[i + 1 :] - rest), axis=1, initial=0.0) <= limit
        for j in np.flatnonzero(near):
            second = several[i + 1 + int(j)]
            if _apart(first.nodes[0], second.nodes[0]):
                yield first, second


def _apart(a: Node, b: Node) -> bool:
    """Whether the nodes are independent."""
    return a is not b and a not in set(topological((b,))) and b not in set(topological((a,)))


class _Search:
    def __init__(self, graph: Graph, values: Sequence[Any], target: Node) -> None:
        opened = _opened(graph)
        (self.out,), self.target = opened.outputs, target
        order = topological(opened.outputs)
        self.active = dependents((target,), order)
        size = sum(n.type.size for n in order if not isinstance(n.type, TupleType))
        most = min(_MOST_NODES, _MOST_WORK // max(1, size))
        self.ways = [n for n in order if n in self.active and n.op is not INPUT][-most:]
        self.b = Symbolic()
        self.cts: dict[Node, Any] = {}

        def rule(node: Node, ct: Any, _: tuple[bool, ...]) -> Any:
            self.cts[node] = ct
            self.b.visit(node)
            return local_rule(self.b, node, ct)

        one = filled(self.b, 1, self.out)
        differentiate(self.b, (self.out,), (one,), (target,), rule=rule)
        self.env = all_values(opened, values)
        self.env.update(zip(opened.inputs, values, strict=True))
        nodes = [c for ct in self.cts.values() for c in (ct if isinstance(ct, list) else [ct])]
        self._evaluate([c for c in nodes if c is not None])

    def _evaluate(self, nodes: Sequence[Node]) -> None:
        """Add the values of some nodes, and of their operands, to the known ones."""
        order = topological(nodes, self.env)
        self.env.update(moved(self.env, {}, [n for n in order if n not in self.env]))

    def at(self, node: Node) -> Iterator[Explanation]:
        """Every mistake at one node."""
        ct = self.cts.get(node)
        if ct is None:
            return
        b = Symbolic(node.source)
        below = [i for i, child in enumerate(node.inputs) if child in self.active]
        seeds = {i: input_node(node.inputs[i].type) for i in below}
        ends = [node.inputs[i] for i in below]
        (down,) = differentiate(b, ends, [seeds[i] for i in below], (self.target,))
        if down is None or any(isinstance(n.type, TupleType) for n in ends):
            return
        order = [n for n in topological((down,), self.env) if n not in self.env]
        visit = Visit(b, node, ct, list(local_rule(b, node, ct)), self.env)
        for mistake, rank in self._mistakes(node):
            given = self._differences(visit, mistake, seeds)
            if given is not None and any(v.any() for v in given.values()):
                change = np.asarray(moved(self.env, given, order).get(down))
                yield Explanation(mistake.code, mistake.words, (node,), change, rank)

    def _mistakes(self, node: Node) -> Iterator[tuple[Mistake, int]]:
        if not isinstance(node.type, TupleType):
            for rank, rule in enumerate(_RULES):
                yield from ((m, rank) for m in rule(node))
        for m in of_paths(node, self.active):
            yield m, len(_RULES) + PATHS.index(m.code)

    def _differences(
        self, visit: Visit, mistake: Mistake, seeds: dict[int, Node]
    ) -> dict[Node, Array] | None:
        """Wrong minus right, for each input on the path; None if the mistake is not possible."""
        sent = mistake.send(visit)
        nodes = [p for i in seeds for p in (sent[i], visit.parts[i]) if p is not None]
        self._evaluate(nodes)
        out = {}
        for i, seed in seeds.items():
            zero = np.zeros(seed.shape)
            wrong, right = (zero if p is None else self.env[p] for p in (sent[i], visit.parts[i]))
            if np.shape(wrong) != seed.shape or not np.isfinite(wrong).all():
                return None
            out[seed] = np.asarray(wrong - right)
        return out

    def everywhere(self, found: Sequence[Explanation]) -> list[Explanation]:
        """The same mistake at all nodes of one line; all statistics held constant."""
        groups: dict[tuple[Any, ...], list[Explanation]] = {}
        for e in found:
            node = e.nodes[0]
            place = (node.source.file, node.source.line) if node.source else None
            groups.setdefault((node.op, place, e.code, e.words), []).append(e)
            if e.code == "held-constant":
                groups.setdefault((e.code,), []).append(e)
        out = []
        for several in groups.values():
            if len(several) > 1:
                made = {e.nodes[0]: (e.code, e.words) for e in several}
                change = self._together(made)
                words = "; ".join(dict.fromkeys(e.words for e in several))
                if change is not None:
                    out.append(several[0]._replace(words=words, nodes=(*made,), change=change))
        return out

    def _together(self, made: dict[Node, tuple[str, str]]) -> Array | None:
        """The change of the gradient by mistakes at all of these nodes."""
        b = Symbolic()

        def rule(node: Node, ct: Any, _: tuple[bool, ...]) -> Any:
            b.visit(node)
            parts = list(local_rule(b, node, ct))
            if node not in made:
                return parts
            mistakes = (m for m, _ in self._mistakes(node) if (m.code, m.words) == made[node])
            return next(mistakes).send(Visit(b, node, ct, parts, self.env))

        one = filled(b, 1, self.out)
        (wrong,) = differentiate(b, (self.out,), (one,), (self.target,), rule=rule)
        (right,) = differentiate(b, (self.out,), (one,), (self.target,))
        shape = self.target.shape
        values = [np.zeros(shape) if g is None else self._value(g) for g in (wrong, right)]
        if values[0].shape != shape or not np.isfinite(values[0]).all():
            return None
        return np.asarray(values[0] - values[1])

    def _value(self, node: Node) -> Array:
        self._evaluate([node])
        return np.asarray(self.env[node])


def _opened(graph: Graph) -> Graph:
    """The graph with loops unrolled, and attention decomposed."""
    flat = unroll(graph, MOST_STEPS).graph
    made: dict[Node, Node] = {n: n for n in flat.inputs}
    for node in topological(flat.outputs):
        if node in made:
            continue
        inputs = tuple(made[n] for n in node.inputs)
        if node.op is attention:
            made[node] = _attended(Symbolic(node.source), node, inputs)
        elif node.op is project and inputs[0].op is bundle:
            made[node] = inputs[0].inputs[node.attrs["index"]]
        else:
            made[node] = Node(node.op, inputs, node.attrs, node.type, node.source)
    return Graph(flat.inputs, tuple(made[n] for n in flat.outputs))


def _attended(b: Symbolic, node: Node, inputs: tuple[Node, ...]) -> Node:
    """Attention decomposed: softmax(q @ kᵀ / √d) @ v."""
    scores = attention_scores(b, inputs, inputs[3:], node.attrs)
    axis = len(scores.shape) - 1
    weights = b(softmax, scores, axis=axis)
    return b(bundle, b(matmul, weights, inputs[2]), b(logsumexp, scores, axis=axis))
