"""Compiled order is the stable order of rows of every length, by one kernel that never grows."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.codegen.target import AVX2, AVX512, NEON
from chainrule.compiler.show import stages

LENGTHS = (1, 2, 7, 16, 33, 64, 65, 96, 97, 255, 256, 257, 1000, 5000)
DTYPES = ("float32", "float64", "int32", "int64", "uint8")


def numbers(dtype, length, kind):
    """Rows with every trouble: ties, NaN and zeros of both signs, infinities, extremes."""
    rng = np.random.default_rng(length)
    shape = (3, length)
    if kind == "few":
        x = rng.integers(0, 4, shape).astype(dtype)
    elif np.dtype(dtype).kind == "f":
        x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-40, 38, shape)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    if x.dtype.kind == "f" and kind == "few":
        x[x == 0] = -0.0
        for every, value in ((3, np.nan), (5, -np.nan), (7, np.inf), (11, -np.inf), (13, 0.0)):
            x.flat[::every] = value
    return x


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["few", "many"])
def test_order_is_numpys_stable_order(dtype, length, kind):
    x = numbers(dtype, length, kind)
    up = cr.compile(lambda t: cr.argsort(t, 1))(cr.tensor(x)).numpy()
    np.testing.assert_array_equal(up, np.argsort(x, axis=1, kind="stable"))
    down = cr.compile(lambda t: cr.argsort(t, 1, descending=True))(cr.tensor(x)).numpy()
    mirrored = length - 1 - np.argsort(x[:, ::-1], axis=1, kind="stable")[:, ::-1]
    np.testing.assert_array_equal(down, mirrored)
    for k in {1, -(-length // 5), length // 2 + 1, length}:
        for largest, order in ((True, down), (False, up)):
            first = cr.compile(lambda t, k=k, m=largest: cr.topk(t, k, 1, largest=m).indices)
            np.testing.assert_array_equal(first(cr.tensor(x)).numpy(), order[:, :k])


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_any_axis_of_a_view_is_ordered(dim):
    x = np.random.default_rng(0).integers(0, 9, (5, 8, 7)).astype(np.float32)

    def order(t):
        return cr.argsort(t.transpose(0, 2)[::2], dim)

    right = np.argsort(x.transpose(2, 1, 0)[::2], axis=dim, kind="stable")
    np.testing.assert_array_equal(cr.compile(order)(cr.tensor(x)).numpy(), right)


FUNCTIONS = {
    "sort": lambda t: cr.sort(t, 1).values,
    "median": lambda t: cr.median(t, 1).values,
    "kthvalue": lambda t: cr.kthvalue(t, 3, 1).values,
    "quantile": lambda t: cr.quantile(t, 0.3, 1),
    "topk": lambda t: cr.topk(t, 3, 1).values,
    "mode": lambda t: cr.mode(t, 1).values,
    "searchsorted": lambda t: cr.searchsorted(cr.sort(t, 1).values, t),
}


@pytest.mark.parametrize("target", [AVX512, AVX2, NEON], ids=["avx512", "avx2", "neon"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_longer_rows_do_not_make_more_code(name, target):
    function = FUNCTIONS[name]
    short, long = (stages(function, cr.zeros(2, n), target=target)["llvm"] for n in (2500, 300_000))
    assert len(long) < 2 * len(short) < 400_000  # long sums have one level of blocks more


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("length", [5, 70, 3000])
def test_what_is_picked_by_order_is_what_eager_code_picks(name, length):
    x = cr.tensor(numbers("float32", length, "few")).nan_to_num(7.0)
    right = FUNCTIONS[name](x).numpy()
    np.testing.assert_array_equal(cr.compile(FUNCTIONS[name])(x).numpy(), right)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("length", [0, 1, 5, 64, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_found_in_sorted_rows(dtype, length, right):
    rows = np.sort(numbers(dtype, length, "few"), axis=1)
    values = numbers(dtype, 50, "few")
    found = cr.compile(lambda a, b: cr.searchsorted(a, b, right=right))
    got = found(cr.tensor(rows), cr.tensor(values)).numpy()
    for row, value, places in zip(rows, values, got, strict=True):
        side = "right" if right else "left"
        np.testing.assert_array_equal(places, np.searchsorted(row, value, side))
