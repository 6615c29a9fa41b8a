"""What the attention kernels share: how they are cut, operands, tiles of scores, sums of rows.

Queries lie side by side in vector lanes and keys run down the rows of a tile: maxima and sums over
keys need no shuffles, keys and values are read in place by scalar broadcast, and blocks of queries
are independent. Imports kernel and base.

Example: see `lower/templates/attention.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.shapes import Shape
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.kernel_writer import Home, Valid, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.ir import Mma

ZERO, ONE = as_index(0), as_index(1)
_LONG = 64  # queries or keys from which code without edges pays: shorter lengths share one kernel


class Tiling(NamedTuple):
    """How the work is cut.

    A block of `queries` lies in vector lanes against tiles of `keys` keys; results are made in
    tiles of `rows` rows. At most `chunk` keys have their scores in scratch at once. Registers hold
    `unit` elements, and code generation turns blocks of `turn` columns.
    """

    queries: int
    keys: int
    rows: int
    chunk: int
    unit: int
    turn: int

    def columns(self, width: int) -> int:
        """Columns of a result tile for heads `width` wide: one to three registers, little waste."""
        if width < self.unit:
            return _power_of_two(width)
        # one register per row leaves a third of the multiply-add slots waiting for their results
        cost = {n: -(-width // (n * self.unit)) * (3 if n == 1 else 2 * n) for n in (3, 2, 1)}
        return min(cost, key=cost.__getitem__) * self.unit


def choose_tiling(target: Target, dtype: DType, queries: int) -> Tiling:
    """Tiles that fit the registers: 8 × 2 vectors of 32 registers, 6 × 2 of 16."""
    unit = max(target.lanes * 4 // dtype.itemsize, 1)
    block = 2 * unit if queries > unit else unit
    many = target.registers >= 32
    keys, rows = (8, 8) if many else (6, 4)
    rows = 1 if queries == 1 else min(rows, block)
    return Tiling(block, keys, rows, 256 * keys, unit, min(target.lanes, block))


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


class Heads(NamedTuple):
    """An operand or result in memory, with axes batch, head, row, column."""

    buffer: str
    start: Index  # of the task's head
    row: Index  # strides
    column: Index
    width: int

    def at(self, row: Index | int, column: Index | int = 0) -> Index:
        """The offset of an element of the task's head."""
        return self.start + self.row * row + self.column * column


class Setting(NamedTuple):
    """The state that all blocks of a kernel share."""

    w: Writer
    dtype: DType
    tiling: Tiling
    causal: bool
    queries: int  # T
    keys: int  # S

    def reach(
        self, node: Node, home: Home, at: tuple[Index, Index], *, written: bool = False
    ) -> Heads:
        """A (B, H, rows[, columns]) array as it is kept; without columns their stride is 0."""
        w, shape = self.w, node.shape
        strides = _strides(w, shape, home.view.strides)
        buffer = w.buffer(home.root, node.dtype, home.view.offset, written=written)
        start = at[0] * strides[0] + at[1] * strides[1]
        column, width = (strides[3], shape[3]) if len(shape) > 3 else (ZERO, 1)
        return Heads(buffer, start, strides[2], column, width)

    def operand(self, node: Node, homes: dict[Node, Home], at: tuple[Index, Index]) -> Heads:
        """An operand, read through whatever views lead to its storage."""
        return self.reach(node, Home(*stored(homes, node)), at)

    def constant(self, value: float) -> str:
        """A (1, 1) tile."""
        return self.w("const", attr=(value, self.dtype))

    def load_lanes(self, local: str) -> str:
        """One number per query of a block from scratch."""
        return self.w.load(local, ZERO, (1, self.tiling.queries), (ZERO, ONE))

    def store_lanes(self, tile: str, local: str) -> None:
        """One number per query of a block to scratch."""
        self.w.store(tile, local, ZERO, (1, self.tiling.queries), (ZERO, ONE))


def _strides(w: Writer, shape: Shape, strides: Shape) -> list[Index]:
    """Strides as products of the axes' sizes where they are that, else as numbers of their own.

    A number that happens to equal another at some length would make another kernel there.
    """
    found = [ONE if n == 1 else w.extent(min(s, 0)) for n, s in zip(shape, strides, strict=True)]
    reached, product = 1, ONE
    for axis in sorted(range(len(shape)), key=strides.__getitem__):
        n, s = shape[axis], strides[axis]
        if n == 1 or s <= 0:
            continue
        found[axis] = product if s == reached else w.extent(s)
        reached, product = s * n, found[axis] * w.extent(n)
    return found


class ResultTile(NamedTuple):
    """A tile of results: rows from `row` of the block on, columns from `column` on."""

    row: Index
    column: Index
    shape: tuple[int, int]
    valid: Valid


def is_ragged(length: int, tile: int) -> bool:
    """Whether the code is that for any length."""
    return length < _LONG or length % tile != 0


class Block:
    """Queries first … first + n - 1 of a head in vector lanes; scores are (keys, queries) tiles."""

    def __init__(self, setting: Setting, first: Index) -> None:
        """`first` is the variable of a loop over queries."""
        t = setting.tiling
        self.s, self.w, self.first = setting, setting.w, first
        ragged = is_ragged(setting.queries, t.queries)
        self.n = count(first) if ragged else as_index(t.queries)
        self.valid = self.n if ragged else None
        self.ragged_keys = is_ragged(setting.keys, t.keys)

    def limit(self) -> Index:
        """The number of keys that the block sees."""
        keys, end = self.w.extent(self.s.keys), self.first + self.n
        return extreme(self.w, "min", keys, end) if self.s.causal else keys

    # -- scores -------------------------------------------------------------------------------

    def panel(self, heads: Heads, scale: float) -> str:
        """Scratch with the block's rows turned into [column][query], times `scale`."""
        w, t = self.w, self.s.tiling
        deep = min(t.turn, _power_of_two(heads.width))
        width = w.extent(heads.width)
        out = w.local(self.s.dtype, (width + 1) * t.queries)
        shape = (deep, t.turn)
        with w.loop(width, deep) as d, w.loop(t.queries, t.turn) as c:
            rows = count(d) if heads.width % deep else None
            columns = None if self.valid is None else self.valid - c
            at, strides = heads.at(self.first + c, d), (heads.column, heads.row)
            x = w.load(heads.buffer, at, shape, strides, Valid(rows, columns))
            x = w("mul", x, self.s.constant(scale))
            strides = (as_index(t.queries), ONE)
            w.store(x, out, d * t.queries + c, shape, strides, Valid(rows))
        return out

    def scores(self, heads: Heads, panel: str, key: Index) -> str:
        """The tile Σ_d heads[key + r, d] · panel[d, query]."""
        w, t = self.w, self.s.tiling
        shape, lanes, rest = (t.keys, 1), None, self.left(key)
        if rest is not None:  # rows beyond the last key repeat it; `hide` takes them out again
            near = w("min", w("iota", attr=(t.keys, 1, 0)), w("index", attr=rest - 1))
            lanes = w("mul", near, w("index", attr=heads.row))
        stride = ZERO if lanes else heads.row

        def left(d: Index) -> str:
            return w.load(heads.buffer, heads.at(key, d), shape, (stride, ZERO), lanes=lanes)

        def right(d: Index) -> str:
            return w.load(panel, d * t.queries, (1, t.queries), (ZERO, ONE))

        return inner_product(w, w.extent(heads.width), self.s.constant(0), left, right)

    def mask(self, mask: Heads, key: Index) -> str:
        """The additive mask's tile; along an axis on which it repeats it has one element."""
        t = self.s.tiling
        shape = (t.keys if mask.column.terms else 1, t.queries if mask.row.terms else 1)
        valid = Valid(
            self.left(key) if shape[0] > 1 else None, self.valid if shape[1] > 1 else None
        )
        at = mask.at(self.first, key)
        return self.w.load(mask.buffer, at, shape, (mask.column, mask.row), valid)

    def left(self, key: Index) -> Index | None:
        """The number of keys from `key` on; None for a whole tile or more."""
        return self.w.extent(self.s.keys) - key if self.ragged_keys else None

    def hide(self, tile: str, key: Index, value: float) -> str:
        """Put `value` where a query does not see a key, in the tiles that have such places."""
        w, t = self.w, self.s.tiling
        end = w("index", attr=key + t.keys)
        tests = []
        if self.s.causal:
            tests.append(w("gt", end, w("index", attr=self.first + 1)))
        if self.ragged_keys:
            tests.append(w("gt", end, w("index", attr=w.extent(self.s.keys))))
        if not tests:
            return tile
        some = tests[0] if len(tests) == 1 else w("or", *tests)

        def body(_: Index, carried: list[str]) -> list[str]:
            seen = self._seen(key)
            return [w("select", seen, carried[0], self.s.constant(value))]

        (out,) = w.fold(symbol(w("cast", some, attr=dtypes.int64)), 1, [tile], body, split=False)
        return out

    def _seen(self, key: Index) -> str:
        """The mask of keys that queries see: query ≥ key if causal, and the key exists."""
        w, t = self.w, self.s.tiling
        row, rest = w("iota", attr=(t.keys, 1, 0)), self.left(key)
        exists = None if rest is None else w("lt", row, w("index", attr=rest))
        if not self.s.causal:
            assert exists is not None
            return exists
        # 32-bit comparisons take half the instructions; near the diagonal all numbers are small
        row = w("cast", w("add", row, w("index", attr=key - self.first)), attr=dtypes.int32)
        lane = w("cast", w("iota", attr=(1, t.queries, 1)), attr=dtypes.int32)
        seen = w("ge", lane, row)
        return seen if exists is None else w("and", seen, exists)

    # -- sums of rows ---------------------------------------------------------------------------

    def sum_over_keys(
        self,
        weights: str,
        heads: Heads,
        keys: tuple[Index, Index],
        start: Callable[[ResultTile], str],
        finish: Callable[[ResultTile, str], None],
    ) -> None:
        """result[query, :] = Σ_key weights[key][query] · heads[first + key, :], tile by tile.

        `keys` are the first key and how many have their weights in scratch.
        """
        w, t, (first, n) = self.w, self.s.tiling, keys
        with self.result_tiles(heads.width) as tile:
            shape, valid = (1, tile.shape[1]), Valid(None, tile.valid.columns)

            def left(key: Index) -> str:
                at = key * t.queries + tile.row
                return w.load(weights, at, (t.rows, 1), (ONE, ZERO))

            def right(key: Index) -> str:
                at = heads.at(first + key, tile.column)
                return w.load(heads.buffer, at, shape, (ZERO, heads.column), valid)

            if self.s.causal:
                n = extreme(w, "min", n, self.first + tile.row + t.rows - first)
            finish(tile, inner_product(w, n, start(tile), left, right))

    @contextmanager
    def result_tiles(self, width: int) -> Iterator[ResultTile]:
        """Loops over the tiles of the block's rows, `width` wide; rows run faster."""
        w, t = self.w, self.s.tiling
        wide = t.columns(width)
        with w.loop(w.extent(width), wide) as e, w.loop(self.n, t.rows) as r:
            columns = count(e) if width % wide else None
            rows = count(r) if self.valid is not None else None
            yield ResultTile(r, e, (t.rows, wide), Valid(rows, columns))


def inner_product(
    w: Writer,
    trips: Index,
    start: str,
    left: Callable[[Index], str],
    right: Callable[[Index], str],
) -> str:
    """start + Σ_k left(k) @ right(k) for k < trips."""

    def body(k: Index, carried: list[str]) -> list[str]:
        return [_mma(w, carried[0], left(k), right(k))]

    # Not unrolled: a step is 16 multiply-adds, which hide the loop's own two instructions
    (total,) = w.fold(trips, 1, [start], body, split=False)
    return total


def _mma(w: Writer, start: str, left: str, right: str) -> str:
    out = w.fresh()
    w.add(Mma(out, start, left, right))
    return out


def extreme(w: Writer, which: Literal["min", "max"], a: Index, b: Index) -> Index:
    """The smaller or the larger of two run-time integers."""
    return symbol(w(which, w("index", attr=a), w("index", attr=b)))
