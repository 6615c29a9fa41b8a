"""How a matrix product is cut into register tiles, blocks and tasks.

The choice depends on shapes, layouts and the target only, never on threads or timings, so results
are the same everywhere on one machine. Imports base and codegen.target.

Example: `choose_tile(768, 384, 128, host_target())` on AVX-512 is an 8 × 48 tile without packing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from chainrule.base.dtypes import DType, float32
from chainrule.compiler.codegen.target import Target

ALayout = Literal["mk", "km"]
BLayout = Literal["kn", "nk"]

_LATENCY = 8  # multiply-adds in flight (4 cycles, two a cycle): fewer accumulators leave it waiting
_POINTER_ROWS = 10  # rows of A that are read through a pointer each, before pointers spill
_OFFSET_ROWS = 8  # likewise where rows beyond M repeat the last one
_PANEL_BYTES = 512 * 1024  # of B's packed block: half of a level-2 cache
_DIRECT_BYTES = 400 * 1024  # of B's block up to which reading it in place is faster than packing
_DIRECT_COLUMNS = 128  # of a block that is read in place
_ALIAS_BYTES = 2048  # rows a multiple of this apart fall into few cache sets
_ALIAS_DEPTH = 640  # so many of them do not survive in a level-2 cache
_DEEP = 512  # K from which a task has 256 rows rather than 32, if there are enough tasks
_PAGE_BYTES = 4096  # rows of a transposed A that are further apart come from level 2 or beyond
_LINE_BYTES = 64  # of a cache
_FETCH = 0.5  # cycles for a line from a level-2 cache, as far as multiplications do not hide them
_GROUP_ROWS = 64  # of A that are packed at a time
_DOT_ROWS = 24  # of A, up to which dot products along K can beat packing B
_DOT_DEPTH = 25  # of K for each row, from which they do: the sum of a vector's lanes takes time
_CHUNK = 1024  # pieces of K, once K exceeds twice that
_DOT_TERMS = 256  # that each lane of a dot product adds up, before the sums of pieces are added
_MOST_ROWS, _MOST_COLUMNS = 512, 256  # of a block
_TASK_CYCLES = 60_000  # a task shorter than this is not worth splitting: some 20 µs
_FEWEST_TASKS, _MOST_TASKS = 8, 16  # so that a few threads share the work evenly
_LARGE_CYCLES = 8_000_000  # one more task for each of these: some 2 ms


@dataclass(frozen=True, slots=True)
class GemmTile:
    """How the work is cut. A tile of `rows` × `columns` is accumulated in registers.

    A task covers `block_rows` × `block_columns` (multiples of the tile). `pack_b` copies B's block
    into contiguous panels first: layout "nk" needs it. `pack_a` > 0 copies that many rows of A at
    a time (a multiple of the tile), in layout "km" only. `chunk` > 0 cuts K ≥ 1 into pieces of
    that length, whose products are added up. `ragged_rows`, `ragged_columns` say that M, N need not
    be multiples of the tile, `ragged_depth` that K and chunk need not be multiples of 4.
    `along_k` > 0 is for few rows of A against B in layout "nk": vectors of that many elements run
    along K, nothing is packed, and the tile is one row.
    """

    rows: int
    columns: int
    block_rows: int
    block_columns: int
    pack_b: bool = True
    pack_a: int = 0
    chunk: int = 0
    ragged_rows: bool = True
    ragged_columns: bool = True
    ragged_depth: bool = True
    along_k: int = 0


@functools.lru_cache(maxsize=4096)
def choose_tile(
    M: int,
    N: int,
    K: int,
    target: Target,
    dtype: DType = float32,
    a_layout: str = "mk",
    b_layout: str = "kn",
    *,
    batch: int = 1,
    a_stride: int = 0,
    b_stride: int = 0,
) -> GemmTile:
    """The cut of `batch` products of M × K by K × N.

    `a_stride` and `b_stride` are the operands' strides that are not 1, in elements; 0: unknown.
    """
    per_register = max(1, target.lanes * 4 // dtype.itemsize)
    if (a_layout, b_layout) == ("mk", "nk") and max(1, min(_DOT_ROWS, K // _DOT_DEPTH)) >= M:
        return _dot_tile(M, N, K, per_register)
    scattered = a_layout == "km" and K >= _DEEP and a_stride * dtype.itemsize > _PAGE_BYTES
    _, rows, columns = min(
        (
            _cost(M, N, K, rows, columns, columns // per_register)
            + (_fetch(M, N, K, rows, columns, dtype) if scattered else 0),
            -rows,
            columns,
        )
        for rows, columns in _candidates(M, target, per_register, a_layout)
    )
    rows = -rows
    chunk = _CHUNK if K > 2 * _CHUNK else 0
    depth = chunk or max(K, 1)
    pack_b = b_layout == "nk" or (8 * rows <= M and _pays(N, depth, dtype, b_stride))
    pack_a = 0
    if a_layout == "km" and depth >= _ALIAS_DEPTH and _aliases(a_stride, dtype):
        pack_a = max(1, _GROUP_ROWS // rows) * rows
    whole = GemmTile(
        rows,
        columns,
        block_rows=M,
        block_columns=N,
        pack_b=pack_b,
        pack_a=pack_a,
        chunk=chunk,
        ragged_rows=M % rows != 0,
        ragged_columns=N % columns != 0,
        ragged_depth=K % 4 != 0,
    )
    cycles = M * N * K // per_register
    block_rows, block_columns = _blocks(whole, depth, dtype.itemsize, cycles, batch)
    return replace(whole, block_rows=block_rows, block_columns=block_columns)


def _dot_tile(M: int, N: int, K: int, lanes: int) -> GemmTile:
    """For few rows: eight dot products at a time, some 20 µs a task."""
    panels = max(1, min(-(-N // 8), _TASK_CYCLES * lanes // (8 * max(1, K * M))))
    piece = _DOT_TERMS * lanes
    return GemmTile(
        1, 8, max(1, M), 8 * panels, pack_b=False, ragged_rows=False, ragged_columns=N % 8 != 0,
        along_k=lanes, chunk=piece if 2 * piece < K else 0,
    )  # fmt: skip


def _candidates(
    M: int, target: Target, per_register: int, a_layout: str
) -> Iterator[tuple[int, int]]:
    """Tiles whose accumulators, a row of B and a splat fit the registers."""
    most = _POINTER_ROWS if a_layout == "mk" else 16
    for vectors in (1, 2, 3, 4, 5, 6, 7, 8):
        columns = vectors * per_register
        if columns > target.lanes and columns % target.lanes:
            continue  # float64: a vector of `lanes` elements is two registers
        for rows in range(1, most + 1):
            if M % rows and rows > _OFFSET_ROWS:
                continue
            if rows * vectors + vectors + 1 < target.registers:
                yield rows, columns


def _cost(M: int, N: int, K: int, rows: int, columns: int, vectors: int) -> float:
    """Cycles, about: whole tiles times the work of one, and a toll for edges."""
    multiply = max(rows * vectors, _LATENCY)
    load = rows / 2 + vectors  # splats of A, rows of B; hidden behind the multiplications
    step = max(multiply, load) + 0.1 * load
    store = 2.0 * rows * vectors
    edge = 1.0 + 0.03 * (M % rows != 0) + 0.05 * (N % columns != 0)
    return -(-M // rows) * -(-N // columns) * (K * step * edge + store + 10)


def _fetch(M: int, N: int, K: int, rows: int, columns: int, dtype: DType) -> float:
    """Cycles, about, for the cache lines of A and B that a deep product fetches anew.

    Rows of A that begin inside a line fetch part of the next one too.
    """
    line = _LINE_BYTES // dtype.itemsize
    lines = rows / line if rows % line == 0 else 1 + (rows - 1) / line
    return _FETCH * -(-M // rows) * -(-N // columns) * K * (lines + columns / line)


def _pays(N: int, depth: int, dtype: DType, stride: int) -> bool:
    """Whether to pack rows of B that could be read in place."""
    size = depth * min(N, _DIRECT_COLUMNS) * dtype.itemsize
    return size > _DIRECT_BYTES or (depth >= _ALIAS_DEPTH and _aliases(stride, dtype))


def _aliases(stride: int, dtype: DType) -> bool:
    return stride > 0 and stride * dtype.itemsize % _ALIAS_BYTES == 0


def _blocks(t: GemmTile, depth: int, itemsize: int, cycles: int, batch: int) -> tuple[int, int]:
    """Even blocks, multiples of the tile: enough for several threads, large enough to pay.

    What a task packs or brings into its cache must be used often. So blocks are divided down to a
    comfortable size until there are tasks for all, and further only if there are hardly any.
    Columns are divided first: that repeats reads of A, not the packing of B.
    """
    widest = _DIRECT_COLUMNS
    if t.pack_a:
        widest = _MOST_COLUMNS
    elif t.pack_b:
        widest = min(_MOST_COLUMNS, _PANEL_BYTES // (depth * itemsize))
    M, N = t.block_rows, t.block_columns
    slivers, panels = -(-M // t.rows) or 1, -(-N // t.columns) or 1
    down = -(-M // _MOST_ROWS) or 1
    across = -(-panels // max(1, widest // t.columns))
    many = max(1, min(cycles // _TASK_CYCLES, _MOST_TASKS + cycles // _LARGE_CYCLES))
    few = min(_FEWEST_TASKS, many)
    comfortable = (256 if t.pack_b or depth >= _DEEP else 32, widest if t.pack_a else 128)
    smallest = (128 if t.pack_b or t.chunk else 32, 128 if t.pack_a else 32)
    for (rows, columns), tasks in ((comfortable, many // batch), (smallest, few // batch)):
        across = max(across, min(-(-tasks // down), N // max(columns, t.columns)))
        down = max(down, min(-(-tasks // across), M // max(rows, t.rows)))
    return -(-slivers // down) * t.rows, -(-panels // across) * t.columns
