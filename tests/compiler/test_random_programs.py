"""Random programs mean the same by NumPy, by the tile interpreter and as machine code.

Their graphs hold views, broadcasts, reductions over any axes, products, gathers, shared parts,
empty and size-1 axes, several outputs and states that are replaced; see `programs.py`. What is
compared is the whole pipeline: fusion, placement in one arena, in-place updates, guards. The
interpreter runs tasks, and kernels without a barrier between them, in the opposite order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.base import dtypes
from chainrule.compiler.pipeline import compile_graph
from chainrule.graph.text import print_graph
from chainrule.ops.evaluate import evaluate
from tests.compiler.programs import Program, gradient, largest, make_program
from tests.compiler.running import captured, contiguous, launch, planned, walk

CLOSE = {"float64": 1e-10, "float32": 3e-4}  # times the largest number in the program


def choices(data: st.DataObject):
    return lambda n: data.draw(st.integers(0, n - 1))


def property_of(p: Program, *, interpreted: bool) -> None:
    """`check` of what can be compared."""
    assume(fit_to_compare(p))
    check(p, interpreted=interpreted)


def check(p: Program, *, interpreted: bool) -> None:
    """All results and new states, and nothing else, are as evaluated."""
    want = [np.asarray(v) for v in evaluate(p.graph, p.values)]
    scale = max(largest(p), 1.0)
    given_ = captured(p.graph, results=p.results, replaces=p.states)
    values = contiguous(p.values)
    if interpreted:
        got = walk(planned(given_), values, backwards=True)
    else:
        got = launch(compile_graph(given_), values)
    got += [values[place] for place in p.states.values()]
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        compare(a, b, scale, f"output {number} of\n{print_graph(p.graph)}\nstates {p.states}")
    for place, (before, after) in enumerate(zip(p.values, values, strict=True)):
        if place not in p.states.values():
            np.testing.assert_array_equal(after, before, err_msg=f"input {place} was written to")


def compare(a: Any, b: Any, scale: float, what: str) -> None:
    assert (a.dtype, a.shape) == (b.dtype, b.shape), what
    if b.dtype.kind == "f":
        close = CLOSE[b.dtype.name] * scale
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=close, err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, err_msg=what)


@settings(max_examples=150)
@given(st.data(), st.integers(5, 30))
def test_programs_as_machine_code(data, size):
    property_of(make_program(choices(data), size), interpreted=False)


@settings(max_examples=25)
@given(st.data(), st.integers(5, 15))
def test_programs_in_float32(data, size):
    p = make_program(choices(data), size, dtype=dtypes.float32)
    property_of(p, interpreted=False)


@settings(max_examples=80)
@given(st.data(), st.integers(3, 12))
def test_gradients_as_machine_code(data, size):
    property_of(gradient(make_program(choices(data), size, smooth=True)), interpreted=False)


@settings(max_examples=120)
@given(st.data(), st.integers(3, 15))
def test_programs_in_the_tile_interpreter(data, size):
    property_of(make_program(choices(data), size), interpreted=True)


@settings(max_examples=50)
@given(st.data(), st.integers(2, 7))
def test_gradients_in_the_tile_interpreter(data, size):
    property_of(gradient(make_program(choices(data), size, smooth=True)), interpreted=True)


@pytest.mark.parametrize("kind", ["forward", "gradient", "float32", "interpreter"])
def test_some_larger_programs(kind):
    check_many(kind, seed=100, count=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["forward", "gradient", "float32", "interpreter"])
def test_many_programs(kind, seed):
    check_many(kind, seed, count=60)


def check_many(kind: str, seed: int, count: int) -> None:
    """Programs from a plain random generator: larger ones than hypothesis makes."""
    rng = np.random.default_rng(seed)

    def choose(n: int) -> int:
        return int(rng.integers(0, n))

    for _ in range(count):
        dtype = dtypes.float32 if kind == "float32" else dtypes.float64
        size = choose(16 if kind in {"gradient", "interpreter"} else 60) + 2
        p = make_program(choose, size, dtype=dtype, smooth=kind == "gradient")
        if kind == "gradient":
            p = gradient(p)
        if fit_to_compare(p):
            check(p, interpreted=kind == "interpreter")


def fit_to_compare(p: Program) -> bool:
    finite = all(np.isfinite(v).all() for v in evaluate(p.graph, p.values))
    return finite and largest(p) < 1e6
