"""The guilty node: the vjp of each node, checked alone on its real values.

    vjp(w) · v  against  d/dh ⟨w, f(x + h·v)⟩   for random w and v

Checking nodes one by one turns "some gradient is wrong" into "this vjp is wrong". Example:
`find_guilty(total, targets, values, rng, failed=True)`. May import `grad`, `inspect.numeric`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.errors import ChainruleError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, TupleType, Type, input_node
from chainrule.graph.walk import dependents, topological
from chainrule.inspect.diagnosis import Pattern, diagnose, named_sizes, slices
from chainrule.inspect.numeric import Probe, unit
from chainrule.inspect.verdict import PASSING, Guilty, verdict_of
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.control import items
from chainrule.ops.creation import detach
from chainrule.ops.evaluate import evaluate, moved
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import sum_

Array = np.ndarray[Any, Any]
_ENTRIES = 400  # entries of the guilty input, compared for the diagnosis


@dataclass(frozen=True)
class _Rule:
    """One node on its own inputs: ⟨w, f(x)⟩ as a node, and the results of its vjp."""

    node: Node
    alone: tuple[Node, ...]
    scalar: Node
    seeds: tuple[Node, ...]
    gradients: Graph  # (inputs…, seeds…) → one gradient per differentiable input
    wanted: tuple[int, ...]


def find_guilty(
    output: Node, targets: Sequence[Node], env: Mapping[Node, Any], rng: np.random.Generator, *,
    failed: bool,
) -> Guilty | None:  # fmt: skip
    """The first node between targets and output whose vjp is wrong; None if all are right.

    A `detach` drops its gradient on purpose: it is guilty only if a derivative has `failed`.
    """
    order = topological((output,))
    active = dependents(targets, order)
    for node in order:
        if node not in active or node.op is INPUT or "projection" in node.op.traits:
            continue
        if node.op is detach and not failed:
            continue
        found = check_rule(node, [env[n] for n in node.inputs], active, rng)
        if found is not None:
            return found
    return None


def check_rule(
    node: Node, values: Sequence[Any], active: set[Node], rng: np.random.Generator
) -> Guilty | None:
    """Compare one node's vjp with finite differences along a random direction of each input."""
    wanted = tuple(
        i
        for i, n in enumerate(node.inputs)
        if n in active and isinstance(n.type, Type) and n.dtype.kind == "float" and n.type.size
    )
    if not wanted or not any(t.dtype.kind == "float" and t.size for t in node.results):
        return None
    try:
        rule = _alone(node, wanted)
    except ChainruleError as error:
        return _broken(node, wanted[0], f"its rule raises {type(error).__name__}: {error}")
    seeds = [rng.standard_normal(n.shape) for n in rule.seeds]
    with np.errstate(all="ignore"):
        found = evaluate(rule.gradients, (*values, *seeds))
    gradients = iter(found)
    for i in wanted:
        analytic = next(gradients) if i in rule.wanted else np.zeros(node.inputs[i].shape)
        guilty = _compare(rule, i, np.asarray(analytic), values, seeds, rng)
        if guilty is not None:
            return guilty
    return None


def _alone(node: Node, wanted: Sequence[int]) -> _Rule:
    b = Symbolic(node.source)
    inputs = tuple(input_node(n.type) for n in node.inputs)
    again = Node(node.op, inputs, node.attrs, node.type, node.source)
    several = isinstance(node.type, TupleType)
    results = items(b, again) if several else [again]
    results = [r for r in results if r.dtype.kind == "float" and r.array.size]
    seeds = tuple(input_node(r.type) for r in results)
    total: Node | None = None
    for r, s in zip(results, seeds, strict=True):
        part = b(sum_, b(mul, r, s), axes=tuple(range(len(r.shape))))
        total = part if total is None else b(add, total, part)
    assert total is not None
    targets = [inputs[i] for i in wanted]
    found = differentiate(Symbolic(node.source), results, seeds, targets)
    kept = [(i, g) for i, g in zip(wanted, found, strict=True) if g is not None]
    graph = Graph((*inputs, *seeds), tuple(g for _, g in kept))
    return _Rule(node, inputs, total, seeds, graph, tuple(i for i, _ in kept))


def _compare(
    rule: _Rule,
    i: int,
    analytic: Array,
    values: Sequence[Any],
    seeds: Sequence[Array],
    rng: np.random.Generator,
) -> Guilty | None:
    node, shape = rule.node, rule.node.inputs[i].shape
    if analytic.shape != shape:
        return _broken(node, i, f"its rule gives shape {analytic.shape} for an input of {shape}")
    probe = Probe(rule.scalar, rule.alone[i], _values(rule, values, seeds))
    direction = rng.standard_normal(shape)
    found = probe.difference(direction)
    if found.kink:
        return None
    along = float(np.sum(analytic * direction))
    floor = 1e-12 * (float(np.sum(np.abs(analytic * direction))) + 1e-3)
    if verdict_of(along, found.value, found.error, floor) in PASSING:
        return None
    return _describe(rule, i, analytic, probe, values, seeds, (along, found.value, found.step))


def _values(rule: _Rule, values: Sequence[Any], seeds: Sequence[Any]) -> dict[Node, Any]:
    known = dict(zip((*rule.alone, *rule.seeds), (*values, *seeds), strict=True))
    return moved(known, known, topological((rule.scalar,)))


def _describe(
    rule: _Rule,
    i: int,
    analytic: Array,
    probe: Probe,
    values: Sequence[Any],
    seeds: Sequence[Array],
    along: tuple[float, float, float],
) -> Guilty:
    """The worst of the entries compared, and the pattern of the error."""
    node = rule.node
    if analytic.size > _ENTRIES:
        return _guilty(node, i, (), *along, "the rule is wrong along a random direction")
    numeric = np.zeros(analytic.shape)
    step = along[2]
    for index in np.ndindex(*analytic.shape):
        found = probe.difference(unit(analytic.shape, index))
        numeric[index] = analytic[index] if found.kink else found.value
        step = found.step or step
    off = np.abs(analytic - numeric)
    worst = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), analytic.shape))
    outs = [n.shape for n in rule.seeds]
    pattern = diagnose(
        analytic,
        numeric,
        named_sizes([analytic.shape, *outs]),
        _slice_parts(rule, i, values, seeds, analytic.shape),
    )
    return _guilty(
        node, i, worst, float(analytic[worst]), float(numeric[worst]), step, pattern.words
    )


def _slice_parts(
    rule: _Rule, i: int, values: Sequence[Any], seeds: Sequence[Array], shape: tuple[int, ...]
) -> list[tuple[Pattern, Array]]:
    """The gradients if only one slice of an output's axis were summed."""
    found: list[tuple[Pattern, Array]] = []
    if len(seeds) != 1 or int(np.prod(shape)) * sum(seeds[0].shape) > 8 * _ENTRIES:
        return found
    for axis, size in enumerate(seeds[0].shape):
        for at in {0, size - 1} if size > 1 else ():
            env = _values(rule, values, [slices(seeds[0], axis, at)])
            part = Probe(rule.scalar, rule.alone[i], env)
            numeric = np.zeros(shape)
            for index in np.ndindex(*shape):
                numeric[index] = part.difference(unit(shape, index)).value
            words = (
                f"the sum over axis {axis} is missing: only position {at} of {size} "
                "contributes (a broadcast's gradient is summed over the axes it repeated)"
            )
            found.append((Pattern("sum-left-out", words), numeric))
    return found


def _guilty(
    node: Node,
    i: int,
    index: tuple[int, ...],
    analytic: float,
    numeric: float,
    step: float,
    diagnosis: str,
) -> Guilty:
    layer = node.source.layer if node.source else ""
    source = str(node.source) if node.source else "an unknown line"
    name = str(node.attrs.get("label", node.op.name))
    return Guilty(name, layer, source, i, index, analytic, numeric, step, diagnosis)


def _broken(node: Node, i: int, why: str) -> Guilty:
    nan = float("nan")
    return _guilty(node, i, (), nan, nan, nan, why)
