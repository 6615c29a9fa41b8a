"""Judging a gradient that someone derived by hand, entry by entry, with a diagnosis.

    verdict = check_gradient(lambda w: (w @ x).tanh().sum(), (w,), claimed=my_gradient)
    print(verdict)      # … it is transposed / the sum over axis 0 is missing / 2 times too large

The truth is chainrule's own gradient, which is itself checked against finite differences first.
May import `inspect.gradcheck` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node, input_node
from chainrule.graph.walk import dependents, topological, uses
from chainrule.inspect.diagnosis import diagnose, named_sizes
from chainrule.inspect.gradcheck import gradcheck, prepare
from chainrule.inspect.recording import Recording, in_float64, record
from chainrule.inspect.verdict import PASSING, Entry, Report, judge
from chainrule.ops.evaluate import evaluate
from chainrule.ops.fill import filled
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to
from chainrule.tensor.convert import as_tensor

Array = np.ndarray[Any, Any]
_ROUNDING = 2e-6  # of a claim that was computed in float32
_MOST_USES = 12


def check_gradient(
    fn: Callable[..., Any],
    inputs: Any,
    claimed: Any,
    *,
    raise_exception: bool = False,
    names: Sequence[str] = (),
) -> Report:
    """Whether `claimed` is ∂fn/∂input for a scalar `fn(*inputs)`.

    `claimed` is an array or nested list of numbers for the only (or first) float input, a tuple
    with one for each (None skips one), or a function of the inputs that returns such. The report
    lists each wrong entry with what it should be, and says what the mistake looks like. With
    `raise_exception` a wrong claim raises `GradcheckError`. `names` are what the inputs are called.
    """
    given = prepare(inputs)
    floats = [x for x in given if x.requires_grad]
    found = claimed(*inputs_of(inputs)) if callable(claimed) else claimed
    claims = _one_for_each(found)
    if len(claims) > len(floats):
        raise ArgumentError(f"{len(claims)} gradients are claimed for {len(floats)} float inputs")
    truth = gradcheck(fn, inputs, raise_exception=False)
    if not truth:
        return truth  # chainrule's own gradient is wrong: say so instead of judging by it
    recording = in_float64(record(fn, given))
    _need_scalar(recording)
    entries: list[Entry] = []
    faults: list[str] = []
    words: list[str] = []
    for x, claim in zip(floats, claims, strict=False):
        if claim is None:
            continue
        place = _place(given, x)
        called = names[place] if place < len(names) else str(place)
        name = f"gradient {called}" if len(floats) > 1 or names else "gradient"
        value = np.asarray(as_tensor(claim).detach())
        at = recording.position(x)
        if value.shape != x.shape:
            faults.append(_wrong_shape(name, recording, at, value, x.shape))
        else:
            words += _judge(name, recording, at, value, entries)
    report = Report(
        subject="claimed gradient",
        checked=len(entries),
        entries=sum(x.array_type.size for x in floats),
        failures=tuple(e for e in entries if e.verdict not in PASSING),
        worst=max(entries, key=lambda e: e.relative, default=None),
        faults=tuple(faults),
        diagnosis="; ".join(words),
        names=("claimed", "right"),
    )
    return report.settled(raise_exception=raise_exception)


def inputs_of(inputs: Any) -> list[Any]:
    """The inputs as a list, whether one or several were given."""
    return list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]


def _one_for_each(found: Any) -> list[Any]:
    """A tuple has one gradient for each input; a list too, unless it is an array's numbers."""
    if isinstance(found, list) and not _is_nested_numbers(found):
        return found
    return list(found) if isinstance(found, tuple) else [found]


def _is_nested_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_nested_numbers, value))
    return isinstance(value, (int, float, np.number))


def _place(given: Sequence[Any], x: Any) -> int:
    return next(i for i, other in enumerate(given) if other is x)


def _need_scalar(recording: Recording) -> None:
    if len(recording.graph.outputs) != 1 or recording.graph.outputs[0].array.size != 1:
        shown = ", ".join(str(o.type) for o in recording.graph.outputs)
        raise ArgumentError(
            f"the function returns {shown}; a gradient is that of one number: return a scalar"
        )


def _right(recording: Recording, at: int | None, shape: tuple[int, ...]) -> Array:
    """The gradient of one input; zeros where the function does not read it."""
    if at is None:
        return np.zeros(shape)
    return _gradients(recording.graph, recording.values, [recording.graph.inputs[at]])[0]


def _wrong_shape(
    name: str, recording: Recording, at: int | None, claim: Array, shape: tuple[int, ...]
) -> str:
    right = _right(recording, at, shape)
    turned = claim.ndim == 2 and claim.T.shape == shape and np.allclose(claim.T, right, 1e-4)
    hint = ": transposed it would be right" if turned else ""
    return f"{name} has shape {claim.shape}, its input {shape}{hint}"


def _judge(
    name: str, recording: Recording, at: int | None, claim: Array, entries: list[Entry]
) -> list[str]:
    """Add the verdict on every entry; what is wrong altogether, in words."""
    right = _right(recording, at, claim.shape)
    scale = float(np.max(np.abs(right), initial=0.0))
    slack = (_ROUNDING if claim.dtype == np.float32 else 1e-12) * max(scale, 1e-6)
    before = len(entries)
    for index in np.ndindex(*claim.shape):
        a, n = float(claim[index]), float(right[index])
        verdict = "exact" if abs(a - n) <= slack else judge(a, n, 0.0, slack)
        entries.append(Entry(name, tuple(map(int, index)), a, n, slack, 0.0, verdict))
    if all(e.verdict in PASSING for e in entries[before:]):
        return []
    parts: list[tuple[str, Array]] = []
    if at is not None:
        target = recording.graph.inputs[at]
        parts = [*_uses_left_out(recording, target), *_sums_left_out(recording, target)]
    sizes = named_sizes([n.shape for n in _arrays(recording.graph)])
    return [f"{name}: {diagnose(claim, right, sizes, parts)}"]


def _arrays(graph: Graph) -> Iterable[Node]:
    return (n for n in topological(graph.outputs) if hasattr(n.type, "shape"))


def _gradients(graph: Graph, values: Sequence[Any], targets: Sequence[Node]) -> list[Array]:
    b = Symbolic()
    (out,) = graph.outputs
    found = differentiate(b, (out,), (filled(b, 1, out),), targets)
    some = evaluate(Graph(graph.inputs, tuple(g for g in found if g is not None)), values)
    rest = iter(some)
    return [
        np.zeros(t.shape) if g is None else np.asarray(next(rest))
        for t, g in zip(targets, found, strict=True)
    ]


def _uses_left_out(recording: Recording, target: Node) -> list[tuple[str, Array]]:
    """What the gradient is when some uses of the input are left out, or one alone counts."""
    graph, copies = _split_uses(recording.graph, target)
    if not 1 < len(copies) <= _MOST_USES:
        return []
    values = dict(zip(recording.graph.inputs, recording.values, strict=True))
    each = _gradients(graph, [*recording.values, *[values[target]] * len(copies)], copies)
    lines = [str(c.source) if c.source else f"use {i + 1}" for i, c in enumerate(copies)]
    found = []
    for kept in range(1, len(copies)):
        for chosen in combinations(range(len(copies)), kept):
            missing = [lines[i] for i in range(len(copies)) if i not in chosen]
            words = (
                f"the input is used {len(copies)} times and the contributions add up: missing is "
                f"that of {', '.join(missing)}"
            )
            found.append((words, np.sum([each[i] for i in chosen], axis=0)))
        if len(found) > 4 * _MOST_USES:
            break
    return found


def _sums_left_out(recording: Recording, target: Node) -> list[tuple[str, Array]]:
    """What the gradient is if one position alone counts along an axis that was broadcast."""
    order = topological(recording.graph.outputs)
    found = []
    for node in dependents((target,), order) & set(order):
        if node.op is not broadcast_to or node.array.size == target.array.size:
            continue
        (ct,) = _gradients(recording.graph, recording.values, [node])
        inner = node.inputs[0].shape
        padded = (1,) * (ct.ndim - len(inner)) + inner
        repeated = [k for k in range(ct.ndim) if padded[k] != ct.shape[k]]
        for axis in repeated:
            others = tuple(k for k in repeated if k != axis)
            for at in {0, ct.shape[axis] - 1}:
                part = np.take(ct.sum(axis=others, keepdims=True), [at], axis=axis)
                words = (
                    f"the sum over axis {axis} is missing: only position {at} of "
                    f"{ct.shape[axis]} counts, but a broadcast's gradient is summed over the "
                    f"axes it repeated (line {node.source})"
                )
                if part.size == target.array.size:
                    found.append((words, part.reshape(target.shape)))
    return found


def _split_uses(graph: Graph, target: Node) -> tuple[Graph, list[Node]]:
    """The graph with an input of its own for each use of `target`."""
    order = topological(graph.outputs)
    count = len(uses(order).get(target, ()))
    copies: list[Node] = []
    made: dict[Node, Node] = {}
    for node in order:
        ins = []
        for child in node.inputs:
            if child is target and count > 1:
                copies.append(input_node(target.type, node.source))
                ins.append(copies[-1])
            else:
                ins.append(made.get(child, child))
        changed = any(a is not b for a, b in zip(ins, node.inputs, strict=True))
        made[node] = _again(node, ins) if changed else node
    outs = tuple(made.get(n, n) for n in graph.outputs)
    return Graph((*graph.inputs, *copies), outs), copies


def _again(node: Node, ins: Sequence[Node]) -> Node:
    return Node(node.op, tuple(ins), node.attrs, node.type, node.source)
