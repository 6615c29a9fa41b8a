"""The law of batching, from each op's record: `batch(f)(xs)[i] = f(xs[i])`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.grad.batch import batch
from chainrule.graph.node import Graph, Type, input_node
from chainrule.graph.verify import verify
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import Call, calls

# Ops with neither `batch` nor a decomposition, and why they need none
WITHOUT = {
    "full": "it has no operand that could be mapped",
    "iota": "it has no operand that could be mapped",
    "bundle": "grad/batch.py keeps its operands apart",
    "project": "grad/batch.py takes one of several results",
}
SIZE = 3
KINDS = (dtypes.float32, dtypes.float64, dtypes.int64, dtypes.bool_)


def test_ops_without_a_batch_are_those_that_need_none():
    bare = {name for name, op in TABLE.items() if op.batch is None and op.decompose is None}
    assert bare == set(WITHOUT)


def subsets(count: int) -> list[tuple[bool, ...]]:
    """Every choice of mapped inputs but none; for many inputs each alone, all, and all but one."""
    if count <= 3:
        return [m for m in itertools.product((False, True), repeat=count) if any(m)]
    each = [tuple(i == j for j in range(count)) for i in range(count)]
    return [*each, *[tuple(not x for x in m) for m in each], (True,) * count]


def examples(c: Call, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """For each example the inputs of a call, in other orders: legal wherever the call is."""
    return [list(c.values), *[[other(c, v, rng) for v in c.values] for _ in range(SIZE - 1)]]


def other(c: Call, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if "host" in c.op.traits:  # still well conditioned, or symmetric
        return np.asarray(x * rng.uniform(1, 2), x.dtype)
    if "random" in c.op.traits:
        return x + rng.integers(0, 9, x.shape)
    if c.op.name == "searchsorted":
        return np.sort(rng.permutation(x.reshape(-1)).reshape(x.shape), -1)
    if c.op.name == "require":
        return x
    return rng.permutation(x.reshape(-1)).reshape(x.shape)


def check(c: Call, mapped: tuple[bool, ...], rng: np.random.Generator) -> None:
    several = examples(c, rng)
    ins = c.graph.inputs
    stacks = [
        input_node(Type(n.dtype, (SIZE, *n.shape))) if m else None
        for n, m in zip(ins, mapped, strict=True)
    ]
    missing = []
    found = batch(Symbolic(), c.graph.outputs, ins, stacks, SIZE, missing.append)
    assert not missing
    assert None not in found
    graph = Graph(tuple(s or n for s, n in zip(stacks, ins, strict=True)), tuple(found))
    verify(graph)
    assert [n.type for n in found] == [Type(n.dtype, (SIZE, *n.shape)) for n in c.graph.outputs]
    values = [
        np.stack([one[i] for one in several]) if m else v
        for i, (v, m) in enumerate(zip(c.values, mapped, strict=True))
    ]
    got = evaluate(graph, values)
    for e in range(SIZE):
        here = [
            several[e][i] if m else v for i, (v, m) in enumerate(zip(c.values, mapped, strict=True))
        ]
        for one, want in zip(got, evaluate(c.graph, here), strict=True):
            close = 60 * np.finfo(want.dtype).eps if want.dtype.kind == "f" else 0
            np.testing.assert_allclose(
                one[e], want, rtol=close, atol=close, err_msg=f"{c} {mapped}"
            )


@pytest.mark.parametrize("name", sorted(set(TABLE) - set(WITHOUT)))
def test_batch_is_each_example(name):
    rng, checked = np.random.default_rng(0), 0
    for dtype in KINDS:
        for c in calls(name, dtype):
            for mapped in subsets(len(c.values)):
                check(c, mapped, rng)
                checked += 1
    assert checked
