"""Folds and tile products of every dtype and shape."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.dtypes import ALL, float32, float64, int32
from chainrule.kernel.index import as_index
from chainrule.kernel.ir import Buffer, Kernel, Load, Map, Mma, Reduce, Store
from tests.compiler.codegen.launch import agree
from tests.compiler.codegen.random_kernels import array

ZERO, ONE = as_index(0), as_index(1)
SHAPES = ((1, 1), (3, 1), (1, 2), (2, 3), (4, 16), (5, 17), (1, 40), (7, 64))
MONOIDS = [
    (monoid, dtype)
    for dtype in ALL
    for monoid in ("add", "mul", "max", "min", "and", "or")
    if not (dtype.kind == "float" and monoid in ("and", "or"))
]


def fold(monoid, dtype, shape, axis):
    out = (1, shape[1]) if axis == 0 else (shape[0], 1)
    body = (
        Load("t", "x", ZERO, shape, (as_index(shape[1]), ONE)),
        Reduce("r", monoid, "t", axis),
        Store("r", "y", ZERO, out, (as_index(out[1]), ONE)),
    )
    return Kernel("fold", (Buffer("x", dtype), Buffer("y", dtype, written=True)), body)


@pytest.mark.parametrize(("monoid", "dtype"), MONOIDS, ids=lambda c: getattr(c, "name", c))
def test_folds(monoid, dtype):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for axis in (0, 1):
            size = shape[0] * shape[1]
            exact = dtype.kind != "float" or monoid in ("max", "min")
            x = array(rng, dtype, size) if exact else rng.normal(size=size).astype(dtype.numpy)
            values = {"x": x, "y": np.zeros(max(shape), dtype.numpy)}
            tolerance = 0.0 if exact else 1e-4
            agree(fold(monoid, dtype, shape, axis), values, rtol=tolerance, atol=tolerance)


def test_a_fold_of_equal_columns_counts_each():
    body = (
        Load("t", "x", ZERO, (3, 20), (ONE, ZERO)),
        Reduce("r", "add", "t", 1),
        Store("r", "y", ZERO, (3, 1), (ONE, ZERO)),
    )
    kernel = Kernel("same", (Buffer("x", float32), Buffer("y", float32, written=True)), body)
    got = agree(kernel, {"x": np.arange(3, dtype="f"), "y": np.zeros(3, "f")})
    assert got["y"].tolist() == [0.0, 20.0, 40.0]


@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=lambda d: d.name)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (4, 16, 1), (3, 20, 5), (8, 1, 4), (2, 3, 17), (6, 40, 16)]
)
@pytest.mark.parametrize("start", [True, False], ids=["acc", "zero"])
def test_tile_products(dtype, sizes, start):
    rows, columns, depth = sizes
    acc = Map("c0", "const", (), (0, dtype))
    if start:
        acc = Load("c0", "c", ZERO, (rows, columns), (as_index(columns), ONE))
    body = (
        acc,
        Load("ta", "a", ZERO, (rows, depth), (as_index(depth), ONE)),
        Load("tb", "b", ZERO, (depth, columns), (as_index(columns), ONE)),
        Mma("c1", "c0", "ta", "tb"),
        Store("c1", "c", ZERO, (rows, columns), (as_index(columns), ONE)),
    )
    buffers = (Buffer("a", dtype), Buffer("b", dtype), Buffer("c", dtype, written=True))
    rng = np.random.default_rng(0)
    shapes = {"a": (rows, depth), "b": (depth, columns), "c": (rows, columns)}
    values = {k: (rng.normal(size=s) * 4).astype(dtype.numpy) for k, s in shapes.items()}
    got = agree(Kernel("mma", buffers, body), values, rtol=1e-6, atol=1e-6)["c"]
    exact = values["a"] @ values["b"] + (values["c"] if start else 0)
    np.testing.assert_allclose(got.reshape(rows, columns), exact, rtol=1e-4, atol=1e-4)
