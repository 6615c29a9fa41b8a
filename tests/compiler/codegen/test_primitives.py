"""Every primitive of `Map` on difficult values, in wide tiles and in tiles of single numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chainrule.base.dtypes import ALL, bool_, float32, int64
from chainrule.base.errors import VerifyError
from chainrule.compiler.codegen.math import MATH
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.infer import map_type
from chainrule.kernel.ir import Buffer, Extent, For, Kernel, Load, Map, Store
from chainrule.kernel.scalar import PRIMITIVES
from tests.compiler.codegen.launch import agree
from tests.compiler.codegen.random_kernels import NASTY, array

ZERO, ONE = as_index(0), as_index(1)
EXACT = sorted(set(PRIMITIVES) - set(MATH) - {"const", "cast", "philox"} | {"rsqrt"})
SHAPES = ((2, 20), (5, 1))


def accepts(fn, dtype):
    ins = [(dtype, (1, 1))] * PRIMITIVES[fn].arity
    if fn == "select":
        ins[0] = (bool_, (1, 1))
    try:
        return map_type(fn, ins, None)[0]
    except VerifyError:
        return None


def apply(fn, dtypes, out, shape, attr=None):
    """y[p] = fn(x0[p], x1[p], …) for positions p of a vector."""
    rows, columns = shape
    strides, step = (as_index(columns), ONE), rows * columns
    i = symbol("i")
    valid = (None, symbol("i.n")) if rows == 1 else (None, None)
    body = [Load(f"t{k}", f"x{k}", i, shape, strides, valid) for k in range(len(dtypes))]
    body.append(Map("r", fn, tuple(f"t{k}" for k in range(len(dtypes))), attr))
    body.append(Store("r", "y", i, shape, strides, valid))
    buffers = [Buffer(f"x{k}", d) for k, d in enumerate(dtypes)]
    params = (*buffers, Buffer("y", out, written=True), Extent("n"))
    return Kernel("apply", params, (For("i", symbol("n"), tuple(body), step, "grid"),))


def values(dtype, count):
    """All combinations of difficult values, `count` operands, padded to whole tiles."""
    if dtype.kind == "float":
        base = np.array([*NASTY, 6.0, -7.5, 2.0**31, -(2.0**63), 1e20], np.float64)
        with np.errstate(over="ignore"):
            base = base.astype(dtype.numpy)
    else:
        base = np.unique(array(np.random.default_rng(0), dtype, 200))
    grid = np.array(list(itertools.product(base, repeat=count)), dtype.numpy).reshape(-1, count)
    return np.resize(grid, (-(-len(grid) // 40) * 40, count))


def check(fn, dtypes, operands, attr=None, rtol=0.0):
    out = map_type(fn, [(d, (1, 1)) for d in dtypes], attr)[0]
    n = len(operands[0])
    for shape in SHAPES:
        arguments = {f"x{k}": v.copy() for k, v in enumerate(operands)}
        arguments |= {"y": np.zeros(n, out.numpy), "n": n}
        agree(apply(fn, dtypes, out, shape, attr), arguments, rtol=rtol)


CASES = [(fn, d) for fn in EXACT for d in ALL if accepts(fn, d) is not None]


@pytest.mark.parametrize(("fn", "dtype"), CASES, ids=lambda c: getattr(c, "name", c))
def test_exact_primitives(fn, dtype):
    arity = PRIMITIVES[fn].arity
    if fn == "select":
        pairs = values(dtype, 2)
        mask = np.arange(len(pairs)) % 3 == 0
        check(fn, (bool_, dtype, dtype), (mask, *pairs.T))
    else:
        check(fn, (dtype,) * arity, values(dtype, arity).T)


@pytest.mark.parametrize("source", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("to", ALL, ids=lambda d: d.name)
def test_casts(source, to):
    check("cast", (source,), values(source, 1).T, to)


@pytest.mark.parametrize("fn", sorted(set(MATH) - {"rsqrt"}))
def test_transcendental_functions_in_every_shape(fn):
    rng = np.random.default_rng(0)
    arity = PRIMITIVES[fn].arity
    for dtype, rtol in ((float32, 4e-7), (ALL[-1], 4e-15)):
        operands = [np.abs(rng.normal(size=40)).astype(dtype.numpy) + 0.1 for _ in range(arity)]
        check(fn, (dtype,) * arity, operands, rtol=rtol)


@pytest.mark.parametrize("word", range(4))
def test_philox(word):
    rng = np.random.default_rng(word)
    check("philox", (int64,) * 6, list(rng.integers(0, 2**32, (6, 40))), word)


def test_a_constant_nan_is_kept_by_max():
    kernel = apply("max", (float32, float32), float32, (1, 16))
    body = kernel.body[0].body
    nan = Map("t1", "const", (), (float("nan"), float32))
    loop = For("i", symbol("n"), (body[0], nan, *body[2:]), 16, "grid")
    params = (kernel.params[0], *kernel.params[2:])
    x, y = np.ones(16, np.float32), np.zeros(16, np.float32)
    got = agree(Kernel("nan", params, (loop,)), {"x0": x, "y": y, "n": 16})
    assert np.isnan(got["y"]).all()
