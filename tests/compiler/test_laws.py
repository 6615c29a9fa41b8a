"""Compiled, every op means what its record says: machine code = tile interpreter = NumPy.

All samples of an op are one program, so that equal kernels are made once. The default run makes
machine code for three dtypes and interprets the kernels of all; the slow one makes all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compiler.pipeline import compile_graph
from chainrule.graph.node import Graph
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from tests.compiler.running import (
    IndexStopped,
    assert_same,
    captured,
    contiguous,
    interpreted,
    launch,
    native,
    planned,
    walk,
)
from tests.ops.calls import Call, calls, directions, generator, gradient, is_float

NAMES = sorted(name for name, op in TABLE.items() if "host" not in op.traits)
FEW = (dtypes.float32, dtypes.int64, dtypes.bool_)  # what code generation treats differently
by_name = pytest.mark.parametrize("name", NAMES)


class Case(NamedTuple):
    """A graph, its values, what comes out by meaning, and the size of the numbers in it."""

    what: str
    graph: Graph
    values: list[Any]
    want: list[Any]
    scale: float


def case(what: str, graph: Graph, values: Sequence[Any]) -> Case:
    want = evaluate(graph, values)
    sizes = [np.abs(v[np.isfinite(v)]) for v in (*values, *want) if v.dtype.kind == "f"]
    scale = max((float(s.max()) for s in sizes if s.size), default=0.0)
    return Case(what, graph, list(values), want, scale)


def forward(name: str, kinds: Sequence[dtypes.DType]) -> list[Case]:
    return [case(str(c), c.graph, c.values) for dtype in kinds for c in calls(name, dtype)]


def backward(name: str, kinds: Sequence[dtypes.DType]) -> list[Case]:
    rng, found = generator(name), []
    for dtype in kinds:
        for c in calls(name, dtype):
            if not any(map(is_float, c.graph.outputs)):
                continue
            graph, moving, seeded = gradient(c.graph)
            if moving:
                seeds = directions(rng, [c.graph.outputs[i] for i in seeded])
                found.append(case(f"the gradient of {c}", graph, [*c.values, *seeds]))
    return found


def together(cases: Sequence[Case]) -> tuple[Graph, list[Any]]:
    """One graph of independent parts."""
    inputs = tuple(n for c in cases for n in c.graph.inputs)
    outputs = tuple(n for c in cases for n in c.graph.outputs)
    return Graph(inputs, outputs), [v for c in cases for v in c.values]


def check(cases: Sequence[Case], run: Callable[..., Any], *, exact: bool = False) -> None:
    """`run(graph, values)` of all cases at once gives what each means, and changes no input."""
    if not cases:
        return
    graph, values = together(cases)
    given = contiguous(values)
    got = iter(run(graph, given))
    for c in cases:
        some = [next(got) for _ in c.graph.outputs]
        assert_same(some, c.want, c.what, ulps=0 if exact else 8, scale=c.scale)
    for before, after in zip(values, given, strict=True):
        np.testing.assert_array_equal(before, after, err_msg="an input was written to")


def machine(graph: Graph, values: Sequence[Any]) -> list[Any]:
    return launch(compile_graph(captured(graph)), values)


def interpreter(graph: Graph, values: Sequence[Any]) -> list[Any]:
    return walk(planned(captured(graph)), values)


def moves_only(name: str) -> bool:
    return bool({"index-map", "structure"} & TABLE[name].traits)


@by_name
def test_machine_code_is_the_numpy_meaning(name):
    check(forward(name, FEW), machine, exact=moves_only(name))


@by_name
def test_the_interpreter_of_kernels_gives_the_numpy_meaning(name):
    check(forward(name, dtypes.ALL), interpreter, exact=moves_only(name))


@by_name
def test_the_gradient_in_kernels_is_the_evaluated_one(name):
    check(backward(name, [dtypes.float32]), interpreter)


@pytest.mark.slow
@by_name
def test_machine_code_of_all_dtypes_and_gradients(name):
    check(forward(name, dtypes.ALL), machine, exact=moves_only(name))
    check(backward(name, [dtypes.float32, dtypes.float64]), machine)


@pytest.mark.parametrize(
    "name", ["gather", "scatter_add", "pick", "unpick", "scatter", "ravel_index"]
)
@pytest.mark.parametrize("wrong", [-1, 1 << 40])
def test_an_index_out_of_range_stops_the_plan(name, wrong):
    dtype = dtypes.int64 if name == "ravel_index" else dtypes.float32
    c: Call = next(c for c in calls(name, dtype) if c.values[-1].size > 1)
    index = c.values[-1].copy()
    index.reshape(-1)[-1] = wrong
    values = [*c.values[:-1], index]
    for run in (native, interpreted):
        with pytest.raises(IndexStopped):
            run(c.graph, values)
