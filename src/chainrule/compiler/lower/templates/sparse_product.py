"""A · B where A is nearly all zeros, as the gradient of a maximum is: zeros are skipped.

    C[m, :] = Σ_k A[m, k]·B[k, :]  over the k with A[m, k] ≠ 0, in ascending order

A is looked at a vector at a time, then, where something is found, four and one at a time. A row of
C stays in the cache while what is found adds rows of B to it. Every row belongs to one task. Where
A's rows are overlapping windows, what they share is looked at once.
Example: the gradient of a convolution's weight behind a maximum over time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from chainrule.base.dtypes import int64
from chainrule.base.errors import CompileError
from chainrule.base.shapes import View
from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index, symbol

_ROWS = 32  # of C in a task
_COLUMN_LANES = 8  # rows of C in a task that looks at columns of A: few, so that there are tasks
_FEW = 4  # elements that are looked at together once something is found
_ONE, _ZERO = as_index(1), as_index(0)


class _Matrix(NamedTuple):
    """A stored matrix: its buffer's name and its strides."""

    buffer: str
    down: Index
    across: Index


def sparse_product(node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> Work:
    """The kernel of `sparse_matmul(a, b)` into `home`."""
    return _SparseProduct(node, home, homes, lanes).write()


class _SparseProduct:
    def __init__(self, node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> None:
        self.w, self.dtype, self.lanes = Writer("sparse"), node.dtype, lanes
        left, right = node.inputs
        (self.m, self.n), self.k = node.shape, left.shape[1]
        self.a, strides = self._matrix(stored(homes, left), (self.m, self.k))
        self.along_k = strides[1] == 1 or self.k == 1
        self.overlaps = self.m > 1 and 0 < strides[0] < self.k and self.k % strides[0] == 0
        self.step = strides[0]
        self.b, _ = self._matrix(stored(homes, right), (self.k, self.n))
        self.c, _ = self._matrix((home.root, home.view), node.shape, written=True)
        self.tile = min(4 * lanes, -(-max(self.n, 1) // lanes) * lanes)

    def _matrix(
        self, kept: tuple[Node, View], shape: tuple[int, ...], *, written: bool = False
    ) -> tuple[_Matrix, tuple[int, ...]]:
        root, view = kept
        flat = view.reshape(shape)
        if flat is None:
            raise CompileError(f"a product of zeros and others reads {root} through {view}")
        buffer = self.w.buffer(root, self.dtype, flat.offset, written=written)
        down, across = map(self.w.extent, flat.strides)
        return _Matrix(buffer, down, across), flat.strides

    def write(self) -> Work:
        w = self.w
        if self.along_k and self.overlaps:
            with w.loop(w.extent(self.m), _ROWS, grid=True) as first:
                self._windows(first)
            return w.work()
        if self.along_k:
            with w.loop(w.extent(self.m), _ROWS, grid=True) as first, w.loop(count(first)) as r:
                row = first + r
                self._clear(row)
                with w.loop(w.extent(self.k), self.lanes, split=True) as k:
                    at, found = row * self.a.down + k, partial(self._along_row, row, k)
                    self._look(at, self.a.across, self.lanes, count(k), _ZERO, found)
            return w.work()
        with w.loop(w.extent(self.m), _COLUMN_LANES, grid=True) as first:
            with w.loop(count(first)) as r:
                self._clear(first + r)
            with w.loop(w.extent(self.k)) as k:
                at, found = first * self.a.down + k * self.a.across, partial(self._down, first, k)
                self._look(at, self.a.down, _COLUMN_LANES, count(first), _ZERO, found)
        return w.work()

    def _windows(self, first: Index) -> None:
        """Rows of A that overlap, as windows do: each line of them is looked at once.

        Line l of `step` elements is part i of row l - i, for every i; the rows of this task take
        part i from `low` to `low + several`.
        """
        w, rows, parts = self.w, count(first), self.k // self.step
        with w.loop(rows) as r:
            self._clear(first + r)
        with w.loop(rows + w.extent(parts) - 1) as line:
            low = w("max", w("index", attr=line - rows + 1), w("const", attr=(0, int64)))
            high = w("min", w("index", attr=line), w("index", attr=w.extent(parts) - 1))
            several = w("index", attr=symbol(high) - symbol(low) + 1)
            with w.loop(w.extent(self.step), self.lanes, split=True) as k:
                found = partial(self._parts, first + line, k, symbol(low), symbol(several))
                at = (first + line) * self.a.down + k
                self._look(at, self.a.across, self.lanes, count(k), _ZERO, found)

    def _clear(self, row: Index) -> None:
        w = self.w
        with w.loop(w.extent(self.n), self.tile, split=True) as j:
            zero = w("const", attr=(0, self.dtype))
            self._store(zero, row, j, accumulate=False)

    def _store(self, tile: str, row: Index, j: Index, *, accumulate: bool) -> None:
        self.w.store(
            tile, self.c.buffer, row * self.c.down + j, (1, self.tile), (_ZERO, _ONE),
            Valid(None, count(j)), accumulate=accumulate,
        )  # fmt: skip

    def _look(
        self,
        at: Index,
        stride: Index,
        width: int,
        valid: Index,
        position: Index,
        found: Callable[[Index, str], None],
    ) -> None:
        """`found(position, value)` for each of up to `width` elements that is not zero."""
        w = self.w
        shape = (1, width)
        valid_ = Valid(None, None if width == 1 else valid)
        value = w.load(self.a.buffer, at + position * stride, shape, (_ZERO, stride), valid_)
        hit = w("ne", value, w("const", attr=(0, self.dtype)))
        some = w("cast", w.reduce("or", hit, 1) if width > 1 else hit, attr=int64)
        with w.loop(symbol(some)):
            if width == 1:
                found(position, value)
                return
            step = _FEW if width > _FEW else 1
            with w.loop(valid, step) as j:
                self._look(at, stride, step, count(j), position + j, found)

    def _along_row(self, row: Index, k: Index, position: Index, value: str) -> None:
        self._add(row, k + position, value)

    def _parts(
        self, line: Index, k: Index, low: Index, several: Index, position: Index, value: str
    ) -> None:
        w = self.w
        with w.loop(several) as i:
            part = low + i
            self._add(line - part, part * w.extent(self.step) + k + position, value)

    def _down(self, first: Index, k: Index, position: Index, value: str) -> None:
        self._add(first + position, k, value)

    def _add(self, row: Index, k: Index, value: str) -> None:
        """C[row] += value · B[k]."""
        w = self.w
        with w.loop(w.extent(self.n), self.tile, split=True) as j:
            at = k * self.b.down + j
            other = w.load(self.b.buffer, at, (1, self.tile), (_ZERO, _ONE), Valid(None, count(j)))
            self._store(w("mul", other, value), row, j, accumulate=True)
