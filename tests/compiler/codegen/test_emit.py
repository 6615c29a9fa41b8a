"""Hand-written kernels as machine code, by the interpreter, and in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.dtypes import ALL
from chainrule.base.errors import VerifyError
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import host_target
from chainrule.kernel.text import parse_kernel
from tests.compiler.codegen.launch import Native, agree
from tests.kernel import samples

RAGGED = (0, 1, 2, 15, 16, 17, 63, 64, 65, 200)


def numbers(dtype, size, seed=0):
    rng = np.random.default_rng(seed)
    if dtype.kind == "float":
        return rng.normal(size=size).astype(dtype.numpy)
    return rng.integers(0, 2 if dtype.kind == "bool" else 100, size).astype(dtype.numpy)


def test_increment():
    kernel = Native(samples.INCREMENT)
    for n in RAGGED:
        x = np.arange(n, dtype=np.float32)
        got = agree(kernel, {"x": x, "y": np.zeros(n, np.float32), "n": n})
        np.testing.assert_array_equal(got["y"], x + 1)


def test_tasks_are_what_their_numbers_say():
    x, y = np.ones(200, np.float32), np.zeros(200, np.float32)
    Native(samples.INCREMENT)({"x": x, "y": y, "n": 200}, tasks=(1, 3))
    assert np.flatnonzero(y).tolist() == list(range(64, 192))


def test_softmax():
    kernel = Native(samples.SOFTMAX)
    for rows, n in [(0, 3), (1, 1), (2, 8), (7, 20), (4, 33)]:
        x = np.random.default_rng(n).normal(size=(rows, n))
        values = {"x": x, "y": np.zeros_like(x), "rows": rows, "n": n}
        got = agree(kernel, values, rtol=1e-13)["y"].reshape(rows, n)
        e = np.exp(x - x.max(1, keepdims=True)) if n and rows else x
        np.testing.assert_allclose(got, e / e.sum(1, keepdims=True) if rows else e, rtol=1e-13)


def test_gemm():
    kernel = Native(samples.GEMM)
    rng = np.random.default_rng(0)
    for M, N, K in [(1, 1, 1), (4, 16, 8), (5, 17, 3), (13, 40, 21), (8, 32, 0)]:
        a, b = (rng.normal(size=s).astype("f") for s in ((M, K), (K, N)))
        bias = rng.normal(size=N).astype("f")
        values = {"a": a, "b": b, "bias": bias, "c": np.zeros((M, N), "f"), "alpha": 0.5}
        got = agree(kernel, {**values, "M": M, "N": N, "K": K}, atol=1e-5)["c"]
        exact = np.maximum(a @ b * 0.5 + bias, 0)
        np.testing.assert_allclose(got.reshape(M, N), exact, atol=1e-5)


@pytest.mark.parametrize("width", [1, 8, 13])
def test_gather_of_rows(width):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(9, width)).astype("f")
    index = rng.integers(0, 9, 7).astype(np.int32)
    values = {"table": table, "index": index, "y": np.zeros((7, width), "f")}
    got = agree(samples.GATHER, {**values, "n": 7, "width": width})["y"]
    np.testing.assert_array_equal(got.reshape(7, width), table[index])


def test_segments():
    rng = np.random.default_rng(0)
    order = rng.permutation(10)
    first = np.array([0, 3, 3, 10])
    updates, out = rng.normal(size=(10, 5)), rng.normal(size=(3, 5))
    values = {"updates": updates, "order": order, "first": first, "out": out, "n": 3, "width": 5}
    got = agree(samples.SEGMENTS, values)["out"].reshape(3, 5)
    sums = [updates[order[a:b]].sum(0) for a, b in ((0, 3), (3, 3), (3, 10))]
    np.testing.assert_allclose(got, out + sums)


def test_column_sums():
    x = np.random.default_rng(0).normal(size=(11, 19))
    values = {"x": x, "y": np.zeros(19), "rows": 11, "n": 19}
    got = agree(samples.COLUMN_SUMS, values, rtol=1e-12)["y"]
    np.testing.assert_allclose(got, x.sum(0))


TURN = """
kernel turn(buffer x: {0}, buffer y: {0} written, buffer z: {0} written, extent m, extent n)
  for grid i in m step {1}
    for seq j in n step {2}
      t = load x[m*j + i] ({1}, {2}) strides (1, m) valid (i.n, j.n) fill 1
      store t y[i*n + j] ({1}, {2}) strides (n, 1) valid (i.n, j.n)
      store t z[m*j + i] ({1}, {2}) strides (1, m) valid (i.n, j.n)
"""


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize(
    ("rows", "columns"), [(4, 16), (4, 3), (5, 20), (8, 8), (1, 16), (16, 1), (3, 2)]
)
def test_transposed_loads_and_stores(dtype, rows, columns):
    kernel = Native(parse_kernel(TURN.format(dtype.name, rows, columns)))
    for m, n in [(rows, columns), (2 * rows + 1, columns + 1), (1, 1), (0, 3)]:
        x = numbers(dtype, (n, m))
        y, z = np.zeros((m, n), dtype.numpy), np.zeros((n, m), dtype.numpy)
        got = agree(kernel, {"x": x, "y": y, "z": z, "m": m, "n": n})
        np.testing.assert_array_equal(got["y"].reshape(m, n), x.T)
        np.testing.assert_array_equal(got["z"].reshape(n, m), x)


STRIDED = """
kernel strided(buffer x: {0}, buffer k: {1}, buffer y: {0} written, extent d, extent n)
  w = load k[0] (1, 20) strides (0, 1) valid (all, n)
  g = load x[1] (3, 20) strides (d, d) valid (all, n) lanes w fill 1
  store g y[0] (3, 20) strides (20, 1)
  h = load x[0] (3, 20) strides (2, d) valid (2, n)
  {2} h y[60] (3, 20) strides (1, d) valid (1, n)
"""


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("lanes", ["uint8", "int32", "int64"])
def test_gathers_and_scatters(dtype, lanes):
    mode = "store" if dtype.kind == "bool" else "accumulate"
    kernel = Native(parse_kernel(STRIDED.format(dtype.name, lanes, mode)))
    rng = np.random.default_rng(0)
    for d, n in [(3, 20), (5, 17), (3, 0)]:
        k = rng.integers(0, 200, 20).astype(lanes)
        y = numbers(dtype, 60 + 20 * d, 1)
        agree(kernel, {"x": numbers(dtype, 400), "k": k, "y": y, "d": d, "n": n})


UNROLLED = """
kernel powers(buffer x: int64, buffer y: int64 written, extent n)
  one = const 1 int64
  zero = const 0 int64
  for seq j in n step {step}{flags} carrying (s = zero then t, p = one then q)
    x1 = load x[j] (1, {step}) strides (0, 1) valid (all, j.n)
    q = sub p x1
    here = index 3*j + j.n
    r = mul q here
    t = add s r
  s1 = reduce add s axis 1
  p1 = reduce add p axis 1
  store s1 y[0] (1, 1) strides (0, 0)
  store p1 y[1] (1, 1) strides (0, 0)
"""


@pytest.mark.parametrize("step", [1, 4, 20])
@pytest.mark.parametrize("flags", ["", " split", " unroll 3", " split unroll 2"])
def test_loop_parts_carry_tiles(step, flags):
    kernel = Native(parse_kernel(UNROLLED.format(step=step, flags=flags)))
    for n in (0, 1, step, 3 * step, 3 * step + 1, 7 * step + step // 2):
        agree(kernel, {"x": np.arange(n) % 5, "y": np.zeros(2, np.int64), "n": n})


NESTED = """
kernel nested(buffer y: int64 written, extent m, extent n)
  for grid i in m step 3 split
    for grid j in n step 4 split
      for seq r in i.n
        for seq c in 4 step 3 split
          at = iota (1, 3) axis 1
          k = index 1000*i + 100*r + 10*j + c
          v = add at k
          left = index -1*c + j.n
          store v y[c + i*n + j + n*r] (1, 3) strides (0, 1) valid (all, left)
"""


def test_grids_split_and_constant_loops():
    kernel = Native(parse_kernel(NESTED))
    for m, n in [(3, 4), (4, 5), (7, 9), (1, 1), (0, 4)]:
        agree(kernel, {"y": np.zeros(m * n, np.int64), "m": m, "n": n})


def test_locals_nest_and_are_private():
    kernel = parse_kernel("""
kernel locals(buffer x: float32, buffer y: float32 written, extent n)
  for grid i in 2
    local a: float32[n]
    for seq j in n step 16
      t = load x[j] (1, 16) strides (0, 1) valid (all, j.n)
      store t a[j] (1, 16) strides (0, 1) valid (all, j.n)
    for seq k in 2
      local b: float64[n]
      for seq j in n step 16
        u = load a[j] (1, 16) strides (0, 1) valid (all, j.n)
        w = cast u float64
        store w b[j] (1, 16) strides (0, 1) valid (all, j.n)
      local c: bool[3]
      for seq j in n step 16
        v = load b[j] (1, 16) strides (0, 1) valid (all, j.n)
        s = cast v float32
        accumulate s y[i*n + j] (1, 16) strides (0, 1) valid (all, j.n)
""")
    x = np.arange(37, dtype=np.float32)
    got = agree(kernel, {"x": x, "y": np.zeros(74, np.float32), "n": 37})["y"]
    np.testing.assert_array_equal(got, np.tile(2 * x, 2))


def test_a_grid_loop_inside_statements_is_refused():
    kernel = samples.INCREMENT
    inner = kernel.body[0]
    bad = type(kernel)(kernel.name, kernel.params, (inner, inner))
    with pytest.raises(VerifyError, match="grid loop"):
        emit(bad, host_target(), "f")
