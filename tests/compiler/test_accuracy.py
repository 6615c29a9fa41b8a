"""Sums of a million float32 numbers against float64, eagerly and compiled: the stated bounds.

The bounds are those of docs/conventions.md ("How right sums are"): how many roundings a term passes
through at most. Rounding errors are rarely all of one sign, so what is seen must be far less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.nn import functional as F

N = 1_000_000
LEVELS = 128 + 128 + 61  # of blocks of 128: a million terms
PIECES = 1024 + N // 1024 + 1  # of a product's inner axis
UPDATES = 2048 + N // 2048 + 1  # of one row
SEEN = 2e-6  # relative error that is accepted of any of them
HALF_ULP = 2.0**-24

NUMBERS = np.random.default_rng(0).random(N).astype(np.float32)
WIDE = NUMBERS.astype(np.float64)
TALL, TALL_WIDE = cr.tensor(NUMBERS.reshape(-1, 4)), WIDE.reshape(-1, 4)
PLACES = np.random.default_rng(1).integers(0, 8, N)
ROWS = cr.tensor(PLACES)
BY_ROW = np.bincount(PLACES, WIDE, 8)


class Case(NamedTuple):
    """A sum over (parts of) a vector of a million numbers in [0, 1), and what is right."""

    call: Callable[[Any], Any]
    right: Any
    terms: int


def bias_gradient(v):
    bias = cr.zeros(4, requires_grad=True)
    return cr.autograd.grad(((v.reshape(-1, 4) + bias) * v.reshape(-1, 4)).sum(), bias)[0]


def weight_gradient(v):
    weight, x = cr.zeros(4, 4, requires_grad=True), v.reshape(-1, 4)
    return cr.autograd.grad((F.linear(x, weight) * x).sum(), weight)[0]


def embedding_gradient(v):
    table = cr.zeros(8, 1, requires_grad=True)
    return cr.autograd.grad((F.embedding(ROWS, table)[:, 0] * v).sum(), table)[0][:, 0]


def column(v):
    return v.reshape(-1, 4)


SQUARES = (WIDE * WIDE).sum()
GRAM = TALL_WIDE.T @ TALL_WIDE
COLUMNS = TALL_WIDE.sum(0)
CASES = {
    "sum": Case(lambda v: v.sum(), WIDE.sum(), LEVELS),
    "mean": Case(lambda v: v.mean(), WIDE.mean(), LEVELS),
    "var": Case(lambda v: v.var(), WIDE.var(ddof=1), 2 * LEVELS),
    "std": Case(lambda v: v.std(), WIDE.std(ddof=1), 2 * LEVELS),
    "norm": Case(cr.linalg.norm, np.sqrt(SQUARES), LEVELS),
    "sum of rows": Case(
        lambda v: v.reshape(2, -1).sum(1), WIDE.reshape(2, -1).sum(1), LEVELS
    ),
    "sum of columns": Case(lambda v: column(v).sum(0), COLUMNS, LEVELS),
    "var of columns": Case(lambda v: column(v).var(0), TALL_WIDE.var(0, ddof=1), 2 * LEVELS),
    "sum of a transpose": Case(lambda v: column(v).t().sum(1), COLUMNS, LEVELS),
    "sum of a middle axis": Case(
        lambda v: v.reshape(2, -1, 2).sum(1), WIDE.reshape(2, -1, 2).sum(1), LEVELS
    ),
    "sum of two axes": Case(
        lambda v: v.reshape(-1, 50, 4).sum((0, 1)), COLUMNS, LEVELS + 64
    ),
    "sum of outer axes": Case(
        lambda v: v.reshape(-1, 5, 10).sum((0, 2)),
        WIDE.reshape(-1, 5, 10).sum((0, 2)),
        LEVELS + 64,
    ),
    "dot": Case(lambda v: v.dot(v), SQUARES, PIECES),
    "mv": Case(lambda v: cr.mv(v.reshape(1, -1), v)[0], SQUARES, PIECES),
    "matmul": Case(lambda v: column(v).t() @ column(v), GRAM, PIECES),
    "bmm": Case(
        lambda v: cr.bmm(v.reshape(1, 1, -1), v.reshape(1, -1, 1)).sum(), SQUARES, PIECES
    ),
    "linear": Case(lambda v: F.linear(v, v.reshape(1, -1))[0], SQUARES, PIECES),
    "einsum": Case(lambda v: cr.einsum("i,i->", v, v), SQUARES, PIECES),
    "convolution": Case(
        lambda v: F.conv1d(v.reshape(1, 1, -1), v.reshape(1, 1, -1)).sum(), SQUARES, PIECES
    ),
    "logsumexp": Case(lambda v: cr.logsumexp(v, 0), np.log(np.exp(WIDE).sum()), LEVELS),
    "softmax": Case(
        lambda v: cr.softmax(v, 0)[:9], np.exp(WIDE[:9]) / np.exp(WIDE).sum(), LEVELS + 8
    ),
    "cross entropy": Case(
        lambda v: F.cross_entropy(v.reshape(1, -1), cr.tensor([0])),
        np.log(np.exp(WIDE).sum()) - WIDE[0],
        LEVELS,
    ),
    "mse": Case(lambda v: F.mse_loss(v, cr.zeros(N)), SQUARES / N, LEVELS),
    "cumsum": Case(lambda v: cr.cumsum(v, 0)[-1], WIDE.sum(), 64),
    "cumsum of columns": Case(lambda v: cr.cumsum(column(v), 0)[-1], COLUMNS, 64),
    "logcumsumexp": Case(
        lambda v: cr.logcumsumexp(v, 0)[-1], np.log(np.exp(WIDE).sum()), 64
    ),
    "gradient of a bias": Case(bias_gradient, COLUMNS, LEVELS),
    "gradient of a weight": Case(weight_gradient, GRAM, PIECES),
    "gradient of an embedding": Case(embedding_gradient, BY_ROW, UPDATES),
    "index_add": Case(lambda v: cr.zeros(8).index_add(0, ROWS, v), BY_ROW, UPDATES),
    "scatter_add into one place": Case(
        lambda v: cr.zeros(2).scatter_add(0, cr.zeros(N, dtype=cr.int64), v)[0],
        WIDE.sum(),
        UPDATES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_a_million_terms_are_added_within_the_stated_bound(name, compiled):
    case, x = CASES[name], cr.tensor(NUMBERS)
    got = (cr.compile(case.call) if compiled else case.call)(x).detach().numpy()
    error = np.abs(got - case.right) / np.abs(case.right)
    assert error.max() <= min(SEEN, case.terms * HALF_ULP)


@pytest.mark.parametrize("size", [1, 127, 128, 129, 255, 256, 257, 1025, 2050, 16384, 16385, 70001])
def test_blocks_miss_nothing_and_count_nothing_twice(size):
    """Whole numbers, whose sums are exact: every term is there once, whatever the length."""
    x = np.random.default_rng(size).integers(0, 99, (size, 3)).astype(np.float32)
    t = cr.tensor(x)
    for call, right in (
        (lambda t: t.sum(0), x.sum(0, dtype=np.int64)),
        (lambda t: t.t().sum(1), x.sum(0, dtype=np.int64)),
        (lambda t: t.t().contiguous().sum(1), x.sum(0, dtype=np.int64)),
        (lambda t: t.sum(), x.sum(dtype=np.int64)),
        (lambda t: t[:, 0].reshape(1, -1).sum(1)[0], x[:, 0].sum(dtype=np.int64)),
    ):
        for fn in (call, cr.compile(call)):
            np.testing.assert_array_equal(fn(t).numpy().astype(np.int64), right)
    small = cr.tensor(np.sign(x))  # products stay below 2**24
    right = np.sign(x).T.astype(np.int64) @ np.sign(x).astype(np.int64)
    for call in (lambda t: t.t() @ t, lambda t: t.t() @ t.t().contiguous().t()):
        for fn in (call, cr.compile(call)):
            np.testing.assert_array_equal(fn(small).numpy().astype(np.int64), right)


@pytest.mark.parametrize("size", [32768, 32769, 70001])
def test_many_updates_of_few_rows_are_all_added(size):
    rng = np.random.default_rng(size)
    rows, values = rng.integers(0, 5, size), rng.integers(0, 9, (size, 3)).astype(np.float32)
    right = np.stack([np.bincount(rows, values[:, c], 7) for c in range(3)], 1)

    def add(index, values):
        return cr.zeros(7, 3).index_add(0, index, values)

    got = cr.compile(add)(cr.tensor(rows), cr.tensor(values)).numpy()
    np.testing.assert_array_equal(got, right)
