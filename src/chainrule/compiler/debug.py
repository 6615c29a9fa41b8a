"""Blame: the stage of the compiler that changes what a program computes.

The traced graph is evaluated with the ops' NumPy meanings, and so is the graph after each pass, on
the same inputs: the first pass after which a result differs is guilty. Then the machine code runs
on copies of the inputs. Example: `check_call(step, words, tags)` says nothing if all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import VerifyError
from chainrule.compiler.pipeline import compile_graph, optimize
from chainrule.compiler.runtime.plan import Executable
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.trace.capture import capture
from chainrule.compiler.trace.structure import flatten
from chainrule.graph.node import Graph, Type
from chainrule.graph.walk import ordered
from chainrule.ops.evaluate import evaluate

Array = np.ndarray[Any, Any]
_CLOSE = {4: 1e-4, 8: 1e-9}  # by bytes of the float: of the largest number in the program


def check_call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Check every stage of compiling `fn` for these arguments; nothing is changed outside.

    Raises `VerifyError` naming the guilty stage.
    """
    found = capture(fn, args, kwargs, keep_grads=True)
    leaves, _ = flatten((args, kwargs))
    check_passes(found.captured, found.values(leaves))


def check_passes(captured: Captured, values: Sequence[Any]) -> None:
    """Check every stage on `values` of the graph's inputs; they are not changed.

    Raises `VerifyError` naming the first pass after which an output differs, or the kernels if
    only what they compute differs.
    """
    count = len(captured.graph.outputs)
    want = evaluate(captured.graph, values)
    scale = _largest(captured.graph, values)

    def compare(stage: str, got: Sequence[Any]) -> None:
        for number, (a, b) in enumerate(zip(got, want, strict=True)):
            difference = _difference(np.asarray(a), np.asarray(b), scale)
            if difference is not None:
                kind = "result" if number < captured.results else "new state"
                raise VerifyError(f"{stage} changes {kind} number {number}: {difference}")

    def watch(name: str, graph: Graph) -> None:
        compare(f"the pass {name}", evaluate(Graph(graph.inputs, graph.outputs[:count]), values))

    optimize(captured, watch)
    compare("fusion, placement or code generation", _run(compile_graph(captured), captured, values))


def _run(executable: Executable, captured: Captured, values: Sequence[Any]) -> list[Array]:
    """Results and new states of the machine code."""
    pairs = zip(values, captured.graph.inputs, strict=True)
    inputs = [np.array(v, n.dtype.numpy, order="C") for v, n in pairs]
    results = executable.call(inputs)
    if results is None:
        raise VerifyError("the compiled index check stops where evaluation does not")
    states = {out: inputs[position] for out, position in captured.replaces.items()}
    return [
        *results,
        *(states[out] for out in range(captured.results, len(captured.graph.outputs))),
    ]


def _largest(graph: Graph, values: Sequence[Any]) -> float:
    """The largest finite number that the program meets: what rounding is measured by."""
    nodes = tuple(n for n in ordered(graph) if isinstance(n.type, Type))
    largest = 1.0
    for value in evaluate(Graph(graph.inputs, nodes), values):
        sizes = np.abs(value[np.isfinite(value)]) if value.dtype.kind == "f" else np.zeros(0)
        largest = max(largest, float(sizes.max(initial=0)))
    return largest


def _difference(a: Array, b: Array, scale: float) -> str | None:
    """The difference of two arrays beyond rounding, or None."""
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"it is {a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
    if b.dtype.kind != "f":
        wrong = a != b
    else:
        close = _CLOSE[b.dtype.itemsize]
        wrong = ~np.isclose(a, b, rtol=close, atol=close * scale, equal_nan=True)
    if not wrong.any():
        return None
    position = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} elements differ, the first at {position}: "
        f"{a[position]} instead of {b[position]}"
    )
