"""The culprit of a bad value in a graph: the node that made it, the reason, and the way out.

    find_culprit(scene, loss)      # Culprit(log_of_zero, node, …), an element and its operands

The end of the trail decides: an op with finite operands is judged by its numbers; an infinity from
a mask is judged at the first NaN; a decomposed op and a loop are opened, and judged inside. Imports
graph and ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.graph.node import INPUT, Graph, Node, TupleType
from chainrule.graph.walk import dependents
from chainrule.inspect.nonfinite import hazards
from chainrule.inspect.nonfinite.hazards import Hazard
from chainrule.inspect.nonfinite.trail import Element, Stop, number_at, trail
from chainrule.inspect.unroll import unroll
from chainrule.ops.decomposition import decomposition
from chainrule.ops.evaluate import all_values

_ROWS = {"softmax", "log_softmax", "logsumexp", "amax", "sum", "attention", "logcumsumexp"}


@dataclass(frozen=True)
class Scene:
    """A graph with all its values, and the roles and names of its nodes."""

    env: Mapping[Node, Any]
    forward: Mapping[Node, None]  # in order
    updates: frozenset[Node] = frozenset()
    names: Mapping[Node, str] = field(default_factory=dict)
    learnt: frozenset[Node] = frozenset()  # inputs that are parameters
    made_for: Callable[[Node], Node | None] = lambda node: None  # noqa: ARG005 - of a gradient

    def phase(self, node: Node) -> str:
        """The phase of the step to which a node belongs: forward, backward or update."""
        if node in self.updates:
            return "update"
        return "forward" if node in self.forward else "backward"


@dataclass(frozen=True)
class Culprit:
    """The node that made a bad value, the element, its operands, and the hazard."""

    hazard: Hazard
    node: Node
    at: Element
    numbers: tuple[float, ...]
    phase: str
    shown: Node  # the node in the program's graph, which is reported
    shown_at: Element
    operands: tuple[Node, ...]
    rule_of: Node | None = None  # the forward node of which it is the derivative


def find_culprit(scene: Scene, end: Node, at: Element | None = None) -> Culprit:
    """The culprit of the bad value of `end`."""
    way = trail(scene.env, end, at)
    stop = way[-1]
    if not _is_given(stop.node):
        return _made(scene, way)
    harm = next((s for s in reversed(way) if np.isnan(number_at(scene.env[s.node], s.at))), None)
    if harm is not None and harm is not stop and not _is_data(scene, stop.node):
        return _found(scene, _harm(scene, harm), harm)
    return _found(scene, *_reached(scene, way))


def _is_given(node: Node) -> bool:
    """Whether a value is an input or a constant."""
    return node.op is INPUT or not any(n.array.dtype.kind == "float" for n in _single(node.inputs))


def _is_data(scene: Scene, node: Node) -> bool:
    """Whether an input is data, not a mask of infinities and one finite number."""
    if node.op is not INPUT:
        return False
    value = scene.env[node]
    return node in scene.learnt or len(np.unique(value[np.isfinite(value)])) > 1


def _single(nodes: Sequence[Node]) -> list[Node]:
    return [n for n in nodes if not isinstance(n.type, TupleType)]


def _found(scene: Scene, hazard: Hazard, stop: Stop) -> Culprit:
    node = stop.node
    return Culprit(
        hazard, node, stop.at, _numbers(scene.env, stop), scene.phase(node), node, stop.at,
        node.inputs, scene.made_for(node) if scene.phase(node) == "backward" else None,
    )  # fmt: skip


def _numbers(env: Mapping[Node, Any], stop: Stop) -> tuple[float, ...]:
    """The operands of an elementwise op at the element."""
    if "elementwise" not in stop.node.op.traits:
        return ()
    return tuple(number_at(env[n], Element(0, stop.at.index)) for n in stop.node.inputs)


# -- made by an op with finite operands -----------------------------------------------------------


def _made(scene: Scene, way: Sequence[Stop]) -> Culprit:
    stop = way[-1]
    inner = _inside(scene, stop)
    if inner is not None:
        return inner
    node, phase = stop.node, scene.phase(stop.node)
    if "elementwise" in node.op.traits:
        found = hazards.hazard(node.op.name, _numbers(scene.env, stop))
    else:
        arrays = [np.abs(v[np.isfinite(v)]) for v in _float_values(scene.env, node)]
        largest = [float(a.max()) for a in arrays if a.size]
        found = hazards.overflow(node.op.name, largest)
    if node.op.name == "div" and _sums_a_masked_row(scene.env, node.inputs[1]):
        found = hazards.masked_row("the sum of exp")
    if phase == "backward":
        found = _derivative(scene, way, found)
    if phase == "update" and found.kind in {"overflow", "infinity minus infinity"}:
        found = hazards.overflowing_update(found.what)
    return _found(scene, found, stop)


def _sums_a_masked_row(env: Mapping[Node, Any], node: Node) -> bool:
    """Whether a denominator is Σ exp(x) with a row of x that is all -inf."""
    while "index-map" in node.op.traits:
        node = node.inputs[0]
    if node.op.name != "sum" or node.inputs[0].op.name != "exp":
        return False
    rows = np.isneginf(env[node.inputs[0].inputs[0]]).all(axis=node.attrs["axes"])
    return bool(rows.any())


def _float_values(env: Mapping[Node, Any], node: Node) -> list[Any]:
    return [env[n] for n in _single(node.inputs) if env[n].dtype.kind == "f"]


def _derivative(scene: Scene, way: Sequence[Stop], found: Hazard) -> Hazard:
    """The hazard in a vjp: an infinite derivative, perhaps behind a mask."""
    rule_of = scene.made_for(way[-1].node)
    if rule_of is None or found.kind == "overflow" or not rule_of.inputs:
        return found
    x = rule_of.inputs[0]
    index = way[-1].at.index
    if "elementwise" not in rule_of.op.traits or len(index) != len(x.shape):
        return found
    own = [s for s in way if scene.made_for(s.node) is rule_of]
    hidden = any(np.isnan(number_at(scene.env[s.node], s.at)) for s in own)
    after = dependents([rule_of], scene.forward)
    where = any(n.op.name == "where" for n in after if n is not rule_of)
    number = number_at(scene.env[x], Element(0, index))
    return hazards.infinite_derivative(rule_of.op.name, number, hidden=hidden, where=where)


def _inside(scene: Scene, stop: Stop) -> Culprit | None:
    """The culprit inside a decomposed op, a loop or a call, in terms of the outer node."""
    node = stop.node
    graph = _opened(node)
    if graph is None:
        return None
    env = all_values(graph, [scene.env[n] for n in node.inputs])
    several = len(graph.outputs) == 1 < len(node.results)
    ends = graph.outputs[0].inputs if several else graph.outputs
    end, at = ends[stop.at.result], Element(0, stop.at.index)
    if not trail(env, end, at):
        return None
    inner = find_culprit(Scene(env, dict.fromkeys(env)), end, at)
    numbers, phase = inner.numbers, scene.phase(node)
    hazard = inner.hazard
    if phase == "update" and hazard.kind == "overflow":
        hazard = hazards.overflowing_update(hazard.what)
    looks = inner.shown if node.op.name in {"scan", "call"} else node
    at = inner.shown_at if looks is inner.shown else stop.at
    rule_of = scene.made_for(node) if phase == "backward" else None
    return Culprit(hazard, inner.node, inner.at, numbers, phase, looks, at, node.inputs, rule_of)


def _opened(node: Node) -> Graph | None:
    """The graph inside a node, from its inputs to its results; None for a simple op."""
    if node.op.name == "scan":
        again = tuple(Node(INPUT, (), {}, n.type, n.source) for n in node.inputs)
        whole = Node(node.op, again, node.attrs, node.type, node.source)
        return unroll(Graph(again, (whole,)), int(node.attrs["length"])).graph
    if node.op.name == "call" and isinstance(node.attrs.get("graph"), Graph):
        return node.attrs["graph"]  # type: ignore[no-any-return]
    return decomposition(node) if node.op.decompose is not None else None


# -- given from outside ---------------------------------------------------------------------------


def _harm(scene: Scene, harm: Stop) -> Hazard:
    """The hazard at the node where an intended infinity first became NaN."""
    node = harm.node
    if "elementwise" not in node.op.traits:
        inner = _inside(scene, harm)
        if inner is not None:
            return inner.hazard
        return hazards.hazard("sub", (np.inf, np.inf))  # a sum of opposite infinities, a product
    numbers = _numbers(scene.env, harm)
    if node.op.name == "sub" and all(n == -np.inf for n in numbers):
        rows = (scene.env[n][harm.at.index[:-1]] for n in node.inputs if harm.at.index)
        if any(row.size > 1 and np.isneginf(row).all() for row in rows):
            return hazards.masked_row("the difference")
    return hazards.hazard(node.op.name, numbers)


def _reached(scene: Scene, way: Sequence[Stop]) -> tuple[Hazard, Stop]:
    """The hazard by which an infinity or a NaN from outside reached the end, and its node."""
    given = way[-1]
    value = number_at(scene.env[given.node], given.at)
    if len(way) > 1 and np.isnan(value) and _is_empty_mean(way[-2].node):
        return hazards.empty_mean(), way[-2]
    if given.node in scene.learnt or value != -np.inf:
        return _outside(scene, given, value), given
    for stop in reversed(way[:-1]):
        name = stop.node.op.name
        if name in _ROWS and number_at(scene.env[stop.node], stop.at) == -np.inf:
            row = scene.env[stop.node.inputs[0]]
            if np.isneginf(_row(row, stop.at.index)).all():
                return hazards.masked_row(name), stop
        if name in {"pick", "cross_entropy"}:
            return hazards.masked_label(), stop
    return _outside(scene, given, value), given


def _is_empty_mean(node: Node) -> bool:
    """Whether a node is the mean of no elements: their sum times NaN."""
    if node.op.name != "mul":
        return False
    total = node.inputs[0]
    while "index-map" in total.op.traits:
        total = total.inputs[0]
    return total.op.name == "sum" and not total.inputs[0].array.size


def _row(value: Any, index: tuple[int, ...]) -> Any:
    """The row that a reduction of the last axis reads for an element of its result."""
    for axis, i in enumerate(index[: value.ndim - 1]):
        value = np.take(value, [min(i, value.shape[axis] - 1)], axis)
    return value


def _outside(scene: Scene, given: Stop, value: float) -> Hazard:
    name = scene.names.get(given.node)
    if name is None and given.node.op is INPUT:
        return hazards.unnamed(value)
    name = name or "a constant"
    return hazards.from_outside(name, parameter=given.node in scene.learnt, value=value)
