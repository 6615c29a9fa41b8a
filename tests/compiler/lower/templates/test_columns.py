"""Reductions over any axes, of any length, with elementwise work in front."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compiler.running import agree

RNG = np.random.default_rng(4)


def subsets(rank):
    return [c for n in range(rank + 1) for c in itertools.combinations(range(rank), n)]


@pytest.mark.parametrize("axes", subsets(4))
def test_any_axes_of_four(axes):
    def build(b, x, y):
        wide = b("mul", x, b("broadcast_to", y, shape=x.shape))
        return b("sum", x, axes=axes), b("amax", wide, axes=axes), b("sum", wide, axes=axes)

    agree(build, RNG.normal(size=(3, 2, 4, 5)), RNG.normal(size=(3, 1, 4, 1)))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float32])
def test_every_monoid_of_every_dtype(dtype, axes):
    def build(b, x):
        names = ["amax", "amin"] + ["sum"] * (x.dtype.name in {"int64", "float32"})
        return [b(name, x, axes=axes) for name in names]

    agree(build, RNG.integers(0, 200, (3, 37, 70)).astype(dtype))


@given(st.lists(st.sampled_from([1, 2, 3, 5, 16, 17, 33]), min_size=1, max_size=5), st.data())
def test_shapes_with_ones_and_strides(shape, data):
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)).map(sorted).map(tuple))
    order = data.draw(st.permutations(range(len(shape))))
    while np.prod(shape) > 4000:
        shape[int(np.argmax(shape))] = 2

    def build(b, x):
        turned = b("transpose", x, axes=tuple(order))
        return b("sum", turned, axes=axes), b("amin", b("tanh", turned), axes=axes)

    agree(build, RNG.normal(size=shape))


@pytest.mark.parametrize("size", [1, 31, 8191, 8192, 16385, 70000])
def test_folds_of_long_vectors(size):
    def build(b, x):
        return b("sum", b("mul", x, x), axes=(0,)), b("amax", x, axes=(0,))

    agree(build, RNG.normal(size=size), ulps=400)


def test_nan_and_infinities_reach_every_result():
    x = np.zeros((5, 40, 3))
    x[1, 7, 2], x[2, 3, 1], x[4, 39, 0] = np.nan, np.inf, -np.inf

    def build(b, x):
        return [
            b(name, x, axes=axes)
            for name in ("sum", "amax", "amin")
            for axes in ((0,), (1,), (2,), (0, 1, 2))
        ]

    with np.errstate(all="ignore"):
        agree(build, x)
