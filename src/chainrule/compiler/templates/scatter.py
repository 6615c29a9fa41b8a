"""Adding rows by index, and checking indices.

    scatter_add: out[index[j], :] += updates[j, :]     into zeros, or in place into a table
    scatter:     out[index[j], :] = updates[j, :]      or the product, the maximum, the minimum

Each task owns a range of rows and walks all indices in order, so the sum of a row has a fixed order
whatever the number of threads. An index out of range raises a flag and is otherwise skipped.
Example: the gradient of an embedding.
"""

from __future__ import annotations

from chainrule.base import shapes
from chainrule.base.dtypes import int64
from chainrule.base.errors import CompileError
from chainrule.compiler.passes.bounds import Bound
from chainrule.compiler.templates.site import stored
from chainrule.compiler.templates.writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import as_index, symbol

_OWNERS = 8  # ranges of rows: enough for balance, few enough that all may scan the indices
_ONE, _ZERO = as_index(1), as_index(0)


def scatter(node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> Work:
    """Combine the updates (second-last input) with the rows of the index (last) in `home`.

    `home` has its start values already.
    """
    index, how = node.inputs[-1], node.attrs.get("how", "add")
    w = Writer("scatter")
    rows, width = node.shape[0], shapes.size(node.shape[1:])
    number = index.array.size
    into, source, places = _flat_views(node, home, homes, (rows, width), number)
    owners = min(_OWNERS, max(rows, 1))
    share = -(-rows // owners)
    tile = min(4 * lanes, -(-max(width, 1) // lanes) * lanes)
    target = w.buffer(home.root, node.dtype, into[2], written=True)
    data = w.buffer(source[0], node.dtype, source[1][2])
    at = w.buffer(places[0], int64, places[1][2])
    with w.loop(w.extent(owners), grid=True) as owner:
        first = w("index", attr=owner * w.extent(share))
        end = w(
            "min", w("index", attr=(owner + 1) * w.extent(share)), w("index", attr=w.extent(rows))
        )
        with w.loop(w.extent(number)) as j:
            row = w.load(at, j * w.extent(places[1][1]), (1, 1), (_ZERO, _ZERO))
            mine = w("and", w("ge", row, first), w("lt", row, end))
            present = w("cast", mine, attr=int64)
            with w.loop(symbol(present)) as _, w.loop(w.extent(width), tile, split=True) as c:
                value = w.load(
                    data, j * w.extent(source[1][0]) + c * w.extent(source[1][1]), (1, tile),
                    (_ZERO, w.extent(source[1][1])), Valid(None, count(c)),
                )  # fmt: skip
                place = symbol(row) * w.extent(into[0]) + c * w.extent(into[1])
                steps, valid = (_ZERO, w.extent(into[1])), Valid(None, count(c))
                if how not in {"add", "set"}:
                    before = w.load(target, place, (1, tile), steps, valid)
                    value = w(how, before, value)
                w.store(value, target, place, (1, tile), steps, valid, accumulate=how == "add")
    return w.work()


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
    places = index_view.reshape((number,))
    if into is None or source is None or places is None:
        raise CompileError(f"{node} reads or writes through strides that are not a matrix")
    return (
        (into.strides[0], into.strides[1], into.offset),
        (data_root, (source.strides[0], source.strides[1], source.offset)),
        (index_root, (0, places.strides[0], places.offset)),
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
