"""Running a function under a trace and evaluating the recorded graph, without the compiler.

`traced(fn, *args)` gives the trace and the result; `replay(trace, outputs)` computes what the
function would have done, and `commit(trace)` does it to the outside tensors, as a plan would.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.graph.node import Graph
from chainrule.ops.evaluate import evaluate
from chainrule.tensor.modes import modes
from chainrule.tensor.trace import Trace


@contextmanager
def tracing():
    trace = Trace()
    modes.trace = trace
    try:
        yield trace
    finally:
        modes.trace = None


def traced(fn: Callable[..., Any], *args: Any) -> tuple[Trace, Any]:
    with tracing() as trace:
        return trace, fn(*args)


def effects(trace: Trace) -> list[Any]:
    """Outside tensors with another node than at first, views left out."""
    return [
        bound
        for key, bound in trace.bound.items()
        if key in trace.inputs
        and bound.node is not trace.inputs[key].node
        and bound.handle._lens is None
    ]


def replay(trace: Trace, outputs: list[Any]) -> list[np.ndarray]:
    """Values of the output symbols, given the outside tensors as they are now."""
    inputs = [bound.node for bound in trace.inputs.values()]
    values = [bound.handle._array() for bound in trace.inputs.values()]
    numbers = [node for _, node in trace.numbers]
    read = [np.float64(number()) for number, _ in trace.numbers]
    graph = Graph((*inputs, *numbers), tuple(outputs))
    return evaluate(graph, [*values, *read])


def run(trace: Trace, result: list[Any]) -> list[np.ndarray]:
    """Results of the traced function; its effects really happen."""
    changed = effects(trace)
    assigned = list(trace.grads.values())
    given = [g for _, g in assigned if g is not None]
    out = replay(
        trace,
        [*(t._node for t in result), *(b.node for b in changed), *(g._node for g in given)],
    )
    for bound, value in zip(changed, out[len(result) :], strict=False):
        bound.handle._value, bound.handle._type = value, None
        bound.handle._version += 1
    gradients = iter(out[len(result) + len(changed) :])
    from chainrule.tensor.dispatch import wrap

    for handle, gradient in assigned:
        handle._grad = None if gradient is None else wrap(next(gradients))
    for generator, used in trace.ordinals.values():
        generator.skip(used)
    return out[: len(result)]
