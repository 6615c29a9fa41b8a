"""C = epilogue(A · B), batched: a register-tiled product in the tile language.

One task computes a block of C: it packs its columns of B into panels, then runs slivers of A's
rows against them; the accumulator tile stays in registers over all of K and goes through the
epilogue before it is stored. Sizes and strides are run-time numbers; layouts, tile and epilogue
are static. Imports kernel and base.

Example: `gemm(float32, a_layout="mk", b_layout="nk", params=(Buffer("c", float32, True), ...),
epilogue=store_to("c"), tile=choose_tile(M, N, K, target))` is x @ w.T for row-major x and w.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from chainrule.base.dtypes import DType
from chainrule.compiler.lower.templates.gemm_tile import ALayout, BLayout, GemmTile, choose_tile
from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.ir import (
    Buffer,
    Carry,
    Extent,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Param,
    Reduce,
    Shape,
    Statement,
    Store,
)

__all__ = ["Epilogue", "GemmTile", "TileSite", "choose_tile", "gemm", "offset_of", "operand_params"]
__all__ += ["store_to"]

ZERO, ONE = as_index(0), as_index(1)
M, N, K = symbol("M"), symbol("N"), symbol("K")


@dataclass(frozen=True, slots=True)
class TileSite:
    """The position of an epilogue: tile `acc` of `shape` holds C[b0, b1, row…, column…].

    `valid` counts the rows and columns inside C, None where all are.
    """

    acc: str
    shape: Shape
    row: Index
    column: Index
    b0: Index
    b1: Index
    valid: tuple[Index | None, Index | None]


Epilogue = Callable[[TileSite], tuple[Statement, ...]]


def operand_params(dtype: DType, a_layout: ALayout, b_layout: BLayout) -> tuple[Param, ...]:
    """Parameters of every product: a, b, the extents B0 B1 M N K, and the operands' strides.

    Element (b0, b1, m, k) of A is at b0*a_b0 + b1*a_b1 + m*a_m + k*a_k; the layout names the axes
    outermost first, so the stride of its last letter is 1 and is no parameter. B likewise.
    """
    extents = ("B0", "B1", "M", "N", "K", "a_b0", "a_b1", f"a_{a_layout[0]}", "b_b0", "b_b1")
    names = (*extents, f"b_{b_layout[0]}")
    return (Buffer("a", dtype), Buffer("b", dtype), *(Extent(name) for name in names))


def store_to(buffer: str) -> Epilogue:
    """The epilogue that only stores: C[b0, b1, m, n] at b0*c_b0 + b1*c_b1 + m*c_m + n."""

    def epilogue(site: TileSite) -> tuple[Statement, ...]:
        return (Store(site.acc, buffer, offset_of(site, "c"), site.shape, (symbol("c_m"), ONE),
                      site.valid),)  # fmt: skip

    return epilogue


def offset_of(site: TileSite, prefix: str) -> Index:
    """The offset of the site's first element in a row-major batch of matrices.

    Strides are the extents prefix_b0, prefix_b1 and prefix_m.
    """
    return (
        site.b0 * symbol(f"{prefix}_b0")
        + site.b1 * symbol(f"{prefix}_b1")
        + site.row * symbol(f"{prefix}_m")
        + site.column
    )


def gemm(
    dtype: DType,
    *,
    a_layout: ALayout,
    b_layout: BLayout,
    params: tuple[Param, ...],
    epilogue: Epilogue,
    tile: GemmTile,
    free_blocks: bool = False,
) -> Kernel:
    """The kernel C = epilogue(Σ_k A[m, k]·B[k, n]); `params` are what the epilogue uses.

    With `free_blocks` the size of a task's block is no part of the kernel, but two more parameters
    in front of `params`, BM and BN: one kernel serves products of other sizes.
    """
    blocks: tuple[int | Index, int | Index] = (tile.block_rows, tile.block_columns)
    own = operand_params(dtype, a_layout, b_layout)
    if free_blocks:
        blocks, own = (symbol("BM"), symbol("BN")), (*own, Extent("BM"), Extent("BN"))
    body = _Product(dtype, a_layout, b_layout, epilogue, tile, *map(as_index, blocks)).task()
    rows, columns = blocks
    for var, extent, step in (
        ("ib", M, rows),
        ("jb", N, columns),
        ("b1", symbol("B1"), 1),
        ("b0", symbol("B0"), 1),
    ):
        body = (For(var, extent, body, step, "grid"),)
    return Kernel("gemm", (*own, *params), body)


@dataclass(frozen=True, slots=True)
class _Product:
    dtype: DType
    a_layout: ALayout
    b_layout: BLayout
    epilogue: Epilogue
    tile: GemmTile
    block_rows: Index
    block_columns: Index

    def task(self) -> tuple[Statement, ...]:
        """One block of C."""
        t = self.tile
        if t.along_k:
            return self._dots()
        if t.chunk:
            return self._chunked()
        pack = self._pack_b(ZERO, K) if t.pack_b else ()
        return (*pack, *self._slivers(ZERO, K, self._finish))

    def _chunked(self) -> tuple[Statement, ...]:
        """K in pieces, in order: the block of C in a Local adds up their products."""
        t = self.tile
        first, length = symbol("kc"), symbol("kc.n")
        pack = self._pack_b(first, length) if t.pack_b else ()
        pieces = For("kc", K, (*pack, *self._slivers(first, length, self._wait)), t.chunk)
        again = Load("whole", "pc", self._place(), (t.rows, t.columns), (as_index(t.columns), ONE))
        finish = self._over_tiles((again, *self._finish("whole")))
        return (Local("pc", self.dtype, self.block_rows * self.block_columns), pieces, finish)

    def _dots(self) -> tuple[Statement, ...]:
        """Each row of A against `columns` rows of B at a time, a vector of both along K a step."""
        t = self.tile
        shape, k = (t.columns, t.along_k), symbol("k")
        length = K
        if t.chunk:  # sums of pieces are added up
            k, length = symbol("kc") + k, symbol("kc.n")
        row = symbol("ib") + symbol("ip")
        b_at = _batch("b") + (symbol("jb") + symbol("jp")) * symbol("b_n") + k
        step = (
            Load("bk", "b", b_at, shape, (ZERO, ONE), (None, symbol("k.n")), "rows"),
            Load("ak", "a", _batch("a") + row * symbol("a_m") + k, (1, t.along_k), (ZERO, ONE),
                 (None, symbol("k.n"))),
            Map("product", "mul", ("bk", "ak")),
            Map("sum", "add", ("acc", "product")),
        )  # fmt: skip
        multiply: tuple[Statement, ...] = (
            For("k", length, step, t.along_k, carries=(Carry("acc", "zero", "sum"),), split=True),
        )
        if t.chunk:
            piece = (*multiply, Map("after", "add", ("before", "acc")))
            carry = Carry("before", "zero", "after")
            multiply = (For("kc", K, piece, t.chunk, carries=(carry,)),)
        each = (
            Map("zero", "const", (), (0.0, self.dtype)),
            *multiply,
            Reduce("column", "add", "before" if t.chunk else "acc", 1),
            Store("column", "pd", ZERO, (t.columns, 1), (ONE, ZERO)),
            Load("whole", "pd", ZERO, (1, t.columns), (ZERO, ONE)),
            *self._finish("whole"),
        )
        rows = _repeat_last(t.columns, symbol("jp.n"), symbol("b_n"))
        inner = (*rows, For("ip", symbol("ib.n"), each))
        local = Local("pd", self.dtype, as_index(t.columns))
        return (local, For("jp", symbol("jb.n"), inner, t.columns))

    # operands

    def _pack_b(self, first: Index, length: Index) -> tuple[Statement, ...]:
        """Panels of `columns` columns: pb[panel][k][column], zeros beyond N."""
        t = self.tile
        if self.b_layout == "kn":
            strides, deep = (symbol("b_k"), ONE), 1
        else:  # four k at a time: four rows are transposed at once
            strides, deep = (ONE, symbol("b_n")), 4
        at = _batch("b") + (first + symbol("kp")) * strides[0]
        at += (symbol("jb") + symbol("jp") + symbol("jq")) * strides[1]
        shape = (deep, math.gcd(t.columns, 16))
        depth = symbol("kp.n") if t.ragged_depth else None
        valid = (depth, symbol("jp.n") - symbol("jq") if t.ragged_columns else None)
        to = symbol("jp") * length + symbol("kp") * t.columns + symbol("jq")
        copy = (
            Load("tb", "b", at, shape, strides, valid),
            Store("tb", "pb", to, shape, (as_index(t.columns), ONE), (depth, None)),
        )
        size = (as_index(t.chunk) if t.chunk else K) * self.block_columns
        part = For("jq", as_index(t.columns), copy, shape[1])
        panel = For("kp", length, (part,), deep)
        return (
            Local("pb", self.dtype, size),
            For("jp", symbol("jb.n"), (panel,), t.columns, split=t.ragged_columns),
        )

    def _pack_a(self, first: Index, length: Index) -> tuple[Statement, ...]:
        """Slivers of A as pa[sliver][k][row], zeros beyond M, read row by row as A lies."""
        t = self.tile
        shape, k = (1, t.rows), symbol("kp")
        at = _batch("a") + (first + k) * symbol("a_k")
        at += symbol("ib") + symbol("ig") + symbol("ip")
        valid = (None, symbol("ip.n") if t.ragged_rows else None)
        copy = (
            Load("ta", "a", at, shape, (ZERO, ONE), valid),
            Store("ta", "pa", symbol("ip") * length + k * t.rows, shape, (ZERO, ONE)),
        )
        size = (as_index(t.chunk) if t.chunk else K) * t.pack_a
        across = For("ip", symbol("ig.n"), copy, t.rows)
        return (Local("pa", self.dtype, size), For("kp", length, (across,)))

    def _load_a(self, first: Index, length: Index) -> Load:
        t = self.tile
        shape, k = (t.rows, 1), symbol("k")
        if t.pack_a:
            return Load("ak", "pa", symbol("ip") * length + k * t.rows, shape, (ONE, ZERO))
        strides = (symbol("a_m"), ONE) if self.a_layout == "mk" else (ONE, symbol("a_k"))
        at = _batch("a") + (symbol("ib") + symbol("ip")) * strides[0] + (first + k) * strides[1]
        if t.ragged_rows:
            return Load("ak", "a", at, shape, (ZERO, ZERO), lanes="rows")
        return Load("ak", "a", at, shape, (strides[0], ZERO))

    def _load_b(self, first: Index, length: Index) -> Load:
        t = self.tile
        shape, k = (1, t.columns), symbol("k")
        if t.pack_b:
            return Load("bk", "pb", symbol("jp") * length + k * t.columns, shape, (ZERO, ONE))
        at = _batch("b") + (first + k) * symbol("b_k") + symbol("jb") + symbol("jp")
        valid = symbol("jp.n") if t.ragged_columns else None
        return Load("bk", "b", at, shape, (ZERO, ONE), (None, valid))

    # loops

    def _slivers(
        self, first: Index, length: Index, after: Callable[[], tuple[Statement, ...]]
    ) -> tuple[Statement, ...]:
        t = self.tile
        start = Map("zero", "const", (), (0.0, self.dtype))
        step = (
            self._load_a(first, length),
            self._load_b(first, length),
            Mma("sum", "acc", "ak", "bk"),
        )
        multiply = For("k", length, step, carries=(Carry("acc", "zero", "sum"),))
        split = t.ragged_columns and not t.pack_b
        inner = For("jp", symbol("jb.n"), (start, multiply, *after()), t.columns, split=split)
        if t.pack_a:
            return (self._rows(self._pack_a(first, length), (inner,)),)
        stride = symbol("a_m") if self.a_layout == "mk" else ONE
        offsets = _repeat_last(t.rows, symbol("ip.n"), stride) if t.ragged_rows else ()
        return (self._rows((), (*offsets, inner)),)

    def _rows(self, before: tuple[Statement, ...], body: tuple[Statement, ...]) -> For:
        """Slivers of the block's rows, in groups if A is packed, with `before` once a group."""
        t = self.tile
        if not t.pack_a:
            return For("ip", symbol("ib.n"), (*before, *body), t.rows)
        slivers = For("ip", symbol("ig.n"), body, t.rows)
        return For("ig", symbol("ib.n"), (*before, slivers), t.pack_a)

    def _over_tiles(self, body: tuple[Statement, ...]) -> For:
        return self._rows((), (For("jp", symbol("jb.n"), body, self.tile.columns),))

    def _row(self) -> Index:
        """The sliver's first row in its block."""
        return symbol("ig") + symbol("ip") if self.tile.pack_a else symbol("ip")

    def _place(self) -> Index:
        """The memory of a task's tile between pieces of K, tile after tile."""
        return self._row() * self.block_columns + symbol("jp") * self.tile.rows

    def _wait(self) -> tuple[Statement, ...]:
        """Add a piece's product to those before; there are none before the first."""
        shape, strides = (self.tile.rows, self.tile.columns), (as_index(self.tile.columns), ONE)
        return (
            Load("before", "pc", self._place(), shape, strides, (symbol("kc"), None)),
            Map("after", "add", ("before", "acc")),
            Store("after", "pc", self._place(), shape, strides),
        )

    def _finish(self, acc: str = "acc") -> tuple[Statement, ...]:
        """The epilogue on the accumulated tile."""
        t = self.tile
        rows = symbol("ip.n") if t.ragged_rows else None
        columns = symbol("jp.n") if t.ragged_columns else None
        site = TileSite(
            acc,
            (t.rows, t.columns),
            symbol("ib") + self._row(),
            symbol("jb") + symbol("jp"),
            symbol("b0"),
            symbol("b1"),
            (rows, columns),
        )
        return self.epilogue(site)


def _repeat_last(count: int, valid: Index, stride: Index) -> tuple[Statement, ...]:
    """Tile `rows`: offsets of `count` rows; invalid ones repeat the last, and are never stored."""
    return (
        Map("row", "iota", (), (count, 1, 0)),
        Map("last", "index", (), valid - 1),
        Map("near", "min", ("row", "last")),
        Map("pitch", "index", (), stride),
        Map("rows", "mul", ("near", "pitch")),
    )


def _batch(operand: str) -> Index:
    return symbol("b0") * symbol(f"{operand}_b0") + symbol("b1") * symbol(f"{operand}_b1")
