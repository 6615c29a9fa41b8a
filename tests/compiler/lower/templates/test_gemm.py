"""Matrix products of every layout, tile and raggedness against NumPy and the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.base.dtypes import float32, float64, int64
from chainrule.compiler.codegen.scratch import scratch_bytes, task_count
from chainrule.compiler.codegen.target import AVX2, AVX512, NEON, host_target
from chainrule.compiler.lower.templates.gemm import (
    GemmTile,
    choose_tile,
    gemm,
    offset_of,
    store_to,
)
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.ir import Buffer, Extent, Load, Map, Store
from chainrule.kernel.verify import verify
from tests.compiler.codegen.launch import Native, agree

C_STRIDES = tuple(Extent(f"c_{axis}") for axis in ("b0", "b1", "m"))


def plain(dtype, a_layout, b_layout, tile):
    return gemm(
        dtype,
        a_layout=a_layout,
        b_layout=b_layout,
        params=(Buffer("c", dtype, written=True), *C_STRIDES),
        epilogue=store_to("c"),
        tile=tile,
    )


def operand(rng, batch, shape, swapped, dtype):
    """An array with gaps between rows and matrices; its matrix axes may be swapped in memory."""
    rows, columns = shape[::-1] if swapped else shape
    whole = (rng.normal(size=(*batch, rows, columns + 3)) * 3).astype(dtype.numpy)
    return whole, whole[..., :columns].swapaxes(-1, -2) if swapped else whole[..., :columns]


def run(kernel, a_layout, b_layout, sizes, dtype=float32, batch=(1, 1), **extra):
    """C by machine code (checked against the interpreter) and A, B as NumPy sees them."""
    M, N, K = sizes
    rng = np.random.default_rng(0)
    a_memory, a = operand(rng, batch, (M, K), a_layout == "km", dtype)
    b_memory, b = operand(rng, batch, (K, N), b_layout == "nk", dtype)
    c = np.full((*batch, M, N), 77, dtype.numpy)
    values = {"a": a_memory, "b": b_memory, "c": c, **extra}
    values |= {"B0": batch[0], "B1": batch[1], "M": M, "N": N, "K": K}
    for name, array, layout in (
        ("a", a_memory, a_layout),
        ("b", b_memory, b_layout),
        ("c", c, "mn"),
    ):
        steps = [s // array.itemsize for s in array.strides]
        values |= {f"{name}_b0": steps[0], f"{name}_b1": steps[1], f"{name}_{layout[0]}": steps[2]}
    got = agree(kernel, values, rtol=1e-5, atol=1e-4)
    return got["c"].reshape(c.shape), a, b


@pytest.mark.parametrize("a_layout", ["mk", "km"])
@pytest.mark.parametrize("b_layout", ["kn", "nk"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("chunk", [0, 16])
def test_ragged_products(a_layout, b_layout, packed, chunk):
    tile = GemmTile(
        6,
        32,
        12,
        64,
        pack_b=packed or b_layout == "nk",
        pack_a=12 if packed and a_layout == "km" else 0,
        chunk=chunk,
    )
    kernel = Native(plain(float32, a_layout, b_layout, tile))
    for sizes in [(1, 1, 1), (6, 32, 4), (7, 33, 5), (30, 70, 40), (13, 64, 33)]:
        got, a, b = run(kernel, a_layout, b_layout, sizes)
        np.testing.assert_allclose(got, a @ b, atol=1e-3)


@pytest.mark.parametrize("lanes", [4, 16])
def test_few_rows_against_many_columns(lanes):
    tile = GemmTile(1, 8, 3, 16, pack_b=False, along_k=lanes)
    kernel = Native(plain(float32, "mk", "nk", tile))
    for sizes in [(1, 1, 1), (3, 16, 16), (4, 21, 37), (2, 7, 0)]:
        got, a, b = run(kernel, "mk", "nk", sizes, batch=(1, 2))
        np.testing.assert_allclose(got, a @ b, atol=1e-3)


def test_one_row_is_not_packed():
    tile = choose_tile(1, 512, 512, AVX512, float32, "mk", "nk")
    assert (tile.along_k, tile.pack_b) == (16, False)
    assert choose_tile(64, 512, 512, AVX512, float32, "mk", "nk").pack_b


def test_an_empty_sum_is_zero():
    kernel = Native(plain(float32, "mk", "kn", GemmTile(2, 16, 4, 32)))
    got, *_ = run(kernel, "mk", "kn", (3, 20, 0))
    assert not got.any()
    assert run(kernel, "mk", "kn", (0, 20, 3))[0].size == 0


@pytest.mark.parametrize("dtype", [float64, int64], ids=lambda d: d.name)
@pytest.mark.parametrize("layouts", [("mk", "kn"), ("mk", "nk"), ("km", "kn")])
def test_other_dtypes(dtype, layouts):
    sizes = (9, 21, 10)
    kernel = plain(dtype, *layouts, choose_tile(*sizes, host_target(), dtype, *layouts))
    got, a, b = run(kernel, *layouts, sizes, dtype)
    np.testing.assert_allclose(got, a @ b, rtol=1e-10)


sizes = st.integers(1, 70) | st.integers(1, 3)


@settings(max_examples=20)
@given(
    st.tuples(sizes, sizes, sizes),
    st.sampled_from(["mk", "km"]),
    st.sampled_from(["kn", "nk"]),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    st.sampled_from([host_target(), AVX2, NEON]),
)
def test_chosen_tiles_fit_their_sizes(shape, a_layout, b_layout, batch, target):
    tile = choose_tile(*shape, target, float32, a_layout, b_layout, batch=batch[0] * batch[1])
    kernel = Native(plain(float32, a_layout, b_layout, tile), target)
    got, a, b = run(kernel, a_layout, b_layout, shape, batch=batch)
    np.testing.assert_allclose(got, a @ b, atol=1e-3)


@given(st.tuples(*[st.integers(1, 5000)] * 3), st.sampled_from([AVX512, AVX2, NEON]))
def test_chosen_blocks_are_whole_tiles_and_fit_the_cache(shape, target):
    for a_layout, b_layout in (("mk", "kn"), ("mk", "nk"), ("km", "kn")):
        tile = choose_tile(*shape, target, float32, a_layout, b_layout)
        vectors = -(-tile.columns // target.lanes)
        assert tile.rows * vectors + vectors + 1 <= target.registers or tile.along_k
        assert tile.block_rows % tile.rows == tile.block_columns % tile.columns == 0
        kernel = plain(float32, a_layout, b_layout, tile)
        extents = dict.fromkeys(("B0", "B1"), 1) | dict(zip("MNK", shape, strict=True))
        assert scratch_bytes(kernel, extents) < 4 * 2**20
        assert task_count(kernel, extents) >= 1


def test_large_products_have_tasks_for_several_threads():
    for layouts in (("mk", "kn"), ("mk", "nk"), ("km", "kn")):
        tile = choose_tile(512, 512, 512, AVX512, float32, *layouts)
        kernel = plain(float32, *layouts, tile)
        assert task_count(kernel, {"B0": 1, "B1": 1, "M": 512, "N": 512}) >= 8


def epilogue(site):
    """C = relu(acc + bias[n] + residual[m, n]); the sum before relu is stored too."""
    row = (None, site.valid[1])
    return (
        Load("bias_row", "bias", site.column, (1, site.shape[1]), (as_index(0), as_index(1)), row),
        Load("other", "residual", offset_of(site, "c"), site.shape,
             (symbol("c_m"), as_index(1)), site.valid),
        Map("biased", "add", (site.acc, "bias_row")),
        Map("total", "add", ("biased", "other")),
        Store(
            "total", "z", offset_of(site, "c"), site.shape, (symbol("c_m"), as_index(1)), site.valid
        ),
        Map("nil", "const", (), (0.0, float32)),
        Map("out", "max", ("total", "nil")),
        *store_to("c")(type(site)("out", site.shape, site.row, site.column, site.b0, site.b1,
                                  site.valid)),
    )  # fmt: skip


@pytest.mark.parametrize("chunk", [0, 8])
@pytest.mark.parametrize("ragged", [True, False])
def test_epilogues_load_and_store_what_they_like(chunk, ragged):
    shape = (14, 50, 20) if ragged else (12, 64, 20)
    tile = GemmTile(
        4, 32, 8, 32, chunk=chunk, ragged_rows=ragged, ragged_columns=ragged, ragged_depth=False
    )
    buffers = (Buffer("bias", float32), Buffer("residual", float32))
    written = (Buffer("c", float32, written=True), Buffer("z", float32, written=True))
    kernel = gemm(
        float32,
        a_layout="mk",
        b_layout="nk",
        params=(*buffers, *written, *C_STRIDES),
        epilogue=epilogue,
        tile=tile,
    )
    verify(kernel)
    rng = np.random.default_rng(1)
    bias = rng.normal(size=shape[1]).astype("f")
    residual = rng.normal(size=(2, 1, *shape[:2])).astype("f")
    extra = {"bias": bias, "residual": residual, "z": np.zeros_like(residual)}
    got, a, b = run(Native(kernel), "mk", "nk", shape, batch=(2, 1), **extra)
    np.testing.assert_allclose(got, np.maximum(a @ b + bias + residual, 0), atol=1e-3)
