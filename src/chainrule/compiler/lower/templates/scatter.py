"""Adding rows by index, and checking indices.

    scatter_add: out[index[j], :] += updates[j, :]     into zeros, or in place into a table
    scatter:     out[index[j], :] = updates[j, :]      or the product, the maximum, the minimum

Each task owns a range of rows and walks all indices in order, so the sum of a row has a fixed order
whatever the number of threads. Many float updates may all belong to one row: blocks of them are
added up in scratch memory first. An index out of range raises a flag and is otherwise skipped.
Example: the gradient of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from chainrule.base import shapes
from chainrule.base.dtypes import int64
from chainrule.base.errors import CompileError
from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.captured import Bound
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.ir import Shape

_OWNERS = 8  # ranges of rows: enough for balance, few enough that all may scan the indices
_MANY = 32768  # updates that one accumulator takes
_BLOCK = 2048  # of them are added up first where there are more
_ONE, _ZERO = as_index(1), as_index(0)


def scatter(node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> Work:
    """Combine the updates (second-last input) with the rows of the index (last) in `home`.

    `home` has its start values already.
    """
    return _Scatter(node, home, homes, lanes).write()


class _Scatter:
    """Matrices of updates and of the result, the vector of indices, and a task's range of rows."""

    def __init__(self, node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> None:
        self.w, self.dtype, self.how = Writer("scatter"), node.dtype, node.attrs.get("how", "add")
        self.rows, width = node.shape[0], shapes.size(node.shape[1:])
        self.number = node.inputs[-1].array.size
        into, source, of_indices = _flat_views(node, home, homes, (self.rows, width), self.number)
        self.owners = min(_OWNERS, max(self.rows, 1))
        self.tile = min(4 * lanes, -(-max(width, 1) // lanes) * lanes)
        w = self.w
        self.target = w.buffer(home.root, node.dtype, into[2], written=True)
        self.data = w.buffer(source[0], node.dtype, source[1][2])
        self.at = w.buffer(of_indices[0], int64, of_indices[1][2])
        self.into = w.extent(into[0]), w.extent(into[1])
        self.source = w.extent(source[1][0]), w.extent(source[1][1])
        self.step, self.width = w.extent(of_indices[1][1]), w.extent(width)

    def write(self) -> Work:
        w, share = self.w, self.w.extent(-(-self.rows // self.owners))
        with w.loop(w.extent(self.owners), grid=True) as owner:
            self.first = w("index", attr=owner * share)
            last = w("index", attr=(owner + 1) * share)
            self.end = w("min", last, w("index", attr=w.extent(self.rows)))
            adds = self.how == "add" and self.dtype.kind == "float"
            if adds and self.number > _MANY:
                self._in_blocks(share)
            else:
                self._one_by_one()
        return w.work()

    def _one_by_one(self) -> None:
        w = self.w
        with self._mine(0, w.extent(self.number)) as (j, row, c):
            value = self._update(j, c)
            if self.how not in {"add", "set"}:
                value = w(self.how, w.load(*self._entry(row, c)), value)
            w.store(value, *self._entry(row, c), accumulate=self.how == "add")

    def _in_blocks(self, share: Index) -> None:
        """Sums of blocks of updates in scratch memory, added to the rows where they belong."""
        w = self.w
        sums = w.local(self.dtype, share * self.width)
        zero = w("const", attr=(0, self.dtype))

        def partial(row: Index, c: Index) -> _Span:
            offset = (row - symbol(self.first)) * self.width + c
            return _Span(sums, offset, (1, self.tile), (_ZERO, _ONE), Valid(None, count(c)))

        with w.loop(w.extent(self.number), _BLOCK) as start:
            with self._mine(start, count(start)) as (_, row, c):
                w.store(zero, *partial(row, c))
            with self._mine(start, count(start)) as (j, row, c):
                w.store(self._update(j, c), *partial(row, c), accumulate=True)
            with self._mine(start, count(start)) as (_, row, c):  # its second time adds zero
                w.store(w.load(*partial(row, c)), *self._entry(row, c), accumulate=True)
                w.store(zero, *partial(row, c))

    @contextmanager
    def _mine(self, start: Index | int, updates: Index) -> Iterator[tuple[Index, Index, Index]]:
        """The updates of this task's rows: number, row, first column of a tile."""
        w = self.w
        with w.loop(updates) as i:
            j = i + start
            row = w.load(self.at, j * self.step, (1, 1), (_ZERO, _ZERO))
            inside = w("and", w("ge", row, self.first), w("lt", row, self.end))
            present = symbol(w("cast", inside, attr=int64))
            with w.loop(present) as _, w.loop(self.width, self.tile, split=True) as c:
                yield j, symbol(row), c

    def _update(self, j: Index, c: Index) -> str:
        offset = j * self.source[0] + c * self.source[1]
        steps = (_ZERO, self.source[1])
        return self.w.load(self.data, offset, (1, self.tile), steps, Valid(None, count(c)))

    def _entry(self, row: Index, c: Index) -> _Span:
        offset, steps = row * self.into[0] + c * self.into[1], (_ZERO, self.into[1])
        return _Span(self.target, offset, (1, self.tile), steps, Valid(None, count(c)))


class _Span(NamedTuple):
    """The part of a row that is loaded or stored."""

    buffer: str
    at: Index
    shape: Shape
    strides: tuple[Index, Index]
    valid: Valid


Flat = tuple[int, int, int]  # row stride, column stride, offset


def _flat_views(
    node: Node, home: Home, homes: dict[Node, Home], table: tuple[int, int], number: int
) -> tuple[Flat, tuple[Node, Flat], tuple[Node, Flat]]:
    """Target, updates and indices as matrices and a vector."""
    updates, index = node.inputs[-2:]
    into = home.view.reshape(table)
    data_root, data = stored(homes, updates)
    source = data.reshape((number, table[1]))
    index_root, index_view = stored(homes, index)
    of_indices = index_view.reshape((number,))
    if into is None or source is None or of_indices is None:
        raise CompileError(f"{node} reads or writes through strides that are not a matrix")
    return (
        (into.strides[0], into.strides[1], into.offset),
        (data_root, (source.strides[0], source.strides[1], source.offset)),
        (index_root, (0, of_indices.strides[0], of_indices.offset)),
    )


def zeros(node: Node, home: Home, lanes: int) -> Work:
    """Fill a contiguous home with zeros."""
    w = Writer("zeros")
    size = node.array.size
    tile, chunk = 4 * lanes, 16384
    buffer = w.buffer(home.root, node.dtype, home.view.offset, written=True)
    with (
        w.loop(w.extent(size), chunk, grid=True) as start,
        w.loop(count(start), tile, split=True) as j,
    ):
        zero = w("const", attr=(0, node.dtype))
        w.store(zero, buffer, start + j, (1, tile), (_ZERO, _ONE), Valid(None, count(j)))
    return w.work()


def check_bounds(bound: Bound, flag: Node, homes: dict[Node, Home], lanes: int) -> Work:
    """Set the int64 `flag` to 1 if any index is outside its bound."""
    index = bound.indices
    w = Writer("bounds")
    root, view = stored(homes, index)
    flat = view.reshape((index.array.size,))
    if flat is None:
        raise CompileError(f"indices {index} are not a vector in memory")
    stride = w.extent(flat.strides[0])
    source = w.buffer(root, int64, flat.offset)
    out = w.buffer(flag, int64, written=True)
    with w.loop(1, grid=True), w.loop(w.extent(index.array.size), lanes, split=True) as j:
        row = w.load(source, j * stride, (1, lanes), (_ZERO, stride), Valid(None, count(j)))
        low = w("lt", row, w("index", attr=w.extent(-bound.low) * -1))
        high = w("gt", row, w("index", attr=w.extent(bound.limit) - 1))
        wrong = w("cast", w("or", low, high), attr=int64)
        bad = w.reduce("max", wrong, 1)
        with w.loop(symbol(bad)):
            one = w("const", attr=(1, int64))
            w.store(one, out, _ZERO, (1, 1), (_ZERO, _ZERO))
    return w.work()
