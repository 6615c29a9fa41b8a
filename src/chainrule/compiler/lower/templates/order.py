"""The order of rows: `argsort` and `topk` by counting digits, least significant first.

Each task orders a row. Keys are the elements' bits, changed so that they compare as unsigned
numbers: a negative float's are inverted, zeros and NaN have one pattern each, NaN the greatest;
inverted keys descend. A pass counts how often each digit occurs, and moves both to where
their digit's run begins, in their order, so equal keys keep theirs; digits that are the same
everywhere are skipped. Of `topk` only those elements are moved whose first digit can be among
the first k. The work is n · (digits of a key), whatever the values are. In short rows each element
counts those that come before it instead, a vector of elements at a time.
Source: Knuth, The Art of Computer Programming, volume 3, section 5.2.5 (radix sorting).
Example: `order(node, home, homes, lanes)` of `argsort` of [3, 1, 2] writes [1, 2, 0].
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.base.dtypes import DType, int32, int64
from chainrule.base.errors import CompileError
from chainrule.compiler.lower.templates.accumulate import wide_constant
from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index, symbol

_SHORT = {4: 64, 8: 96}  # by bytes of a key: so long rows are ordered by comparing all with all
_DIGIT = 8  # bits
_SELECT = 4  # how many times longer than k a row is whose elements are chosen first
_ONE, _ZERO = as_index(1), as_index(0)
_HERE = (_ZERO, _ZERO)


class _Row(NamedTuple):
    """A row in scratch memory: keys and positions, twice over, and the counters of all digits."""

    keys: str
    positions: str
    counts: str
    bits: DType  # of keys
    passes: int


def order(node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> Work:
    """The positions of the first elements of each row, in order: as many as `node` has."""
    (x,) = node.inputs
    size, first = x.shape[-1], node.shape[-1]
    rows = x.array.size // size
    root, view = stored(homes, x)
    source, into = view.reshape((rows, size)), home.view.reshape((rows, first))
    if source is None or into is None:
        raise CompileError(f"{node} reads or writes through strides that are not a matrix")
    w = Writer("order")
    bits = {8: int64, 4: int32}.get(x.dtype.itemsize, x.dtype)
    wide = int64 if bits is int64 else int32
    data = w.buffer(root, bits, source.offset)  # the elements' bits, whatever their type
    out = w.buffer(home.root, int64, into.offset, written=True)
    n, k = w.extent(size), w.extent(first)
    strides = [w.extent(s) for s in (*source.strides, *into.strides)]
    passes = 8 * bits.itemsize // _DIGIT
    with w.loop(w.extent(rows), grid=True) as r:
        counters = w.local(int32, as_index(passes << _DIGIT))
        row = _Row(w.local(wide, n * 2), w.local(int32, n * 2), counters, wide, passes)
        descending = node.attrs["descending"]
        _make_keys(w, row, (data, r * strides[0], strides[1]), x.dtype, n, lanes, descending)
        if size <= _SHORT[wide.itemsize]:
            begin = _compare(w, row, n, lanes)
        else:
            few = _SELECT * first <= size
            begin = _sort(w, row, symbol(_choose(w, row, n, k, lanes)) if few else n, n, lanes)
        with w.loop(k, lanes, split=True) as j:
            here = Valid(None, count(j))
            position = w.load(row.positions, symbol(begin) + j, (1, lanes), (_ZERO, _ONE), here)
            at, steps = r * strides[2] + j * strides[3], (_ZERO, strides[3])
            w.store(w("cast", position, attr=int64), out, at, (1, lanes), steps, here)
    return w.work()


def _make_keys(
    w: Writer,
    row: _Row,
    source: tuple[str, Index, Index],
    dtype: DType,
    n: Index,
    lanes: int,
    descending: bool,
) -> None:
    """The first half of the row's keys and positions, in the order of the elements."""
    data, start, stride = source
    with w.loop(n, lanes, split=True) as j:
        here, steps = Valid(None, count(j)), (_ZERO, _ONE)
        key = w.load(data, start + j * stride, (1, lanes), (_ZERO, stride), here)
        key = _key(w, w("cast", key, attr=row.bits), dtype, row.bits)
        if descending:
            key = w("xor", key, w("const", attr=(-1, row.bits)))
        w.store(key, row.keys, j, (1, lanes), steps, here)
        position = w("add", w("iota", attr=(1, lanes, 1)), w("index", attr=j))
        w.store(w("cast", position, attr=int32), row.positions, j, (1, lanes), steps, here)


def _key(w: Writer, value: str, dtype: DType, bits: DType) -> str:
    """Bits whose order as unsigned numbers is the order of the elements."""
    if dtype.itemsize < bits.itemsize:
        return value  # whole numbers without a sign
    size = 8 * bits.itemsize
    sign = w("const", attr=(-1 << (size - 1), bits))
    if dtype.kind != "float":
        return w("xor", value, sign)
    infinity = {4: 0x7F800000, 8: 0x7FF << 52}[bits.itemsize]
    magnitude = w("and", value, w("const", attr=((1 << (size - 1)) - 1, bits)))
    zero = w("const", attr=(0, bits))
    value = w("select", w("eq", magnitude, zero), zero, value)  # -0 is 0
    negative = w("shr", value, w("const", attr=(size - 1, bits)))  # all ones, or 0
    key = w("xor", value, w("or", negative, sign))
    nan = w("gt", magnitude, w("const", attr=(infinity, bits)))
    return w("select", nan, w("const", attr=(-1, bits)), key)


def _compare(w: Writer, row: _Row, n: Index, lanes: int) -> str:
    """Order a short row: an element's position is the number of those that come before it."""
    flip = w("const", attr=(-1 << (8 * row.bits.itemsize - 1), row.bits))  # compared with a sign
    with w.loop(n, lanes, split=True) as c:
        here, steps = Valid(None, count(c)), (_ZERO, _ONE)
        mine = w("xor", w.load(row.keys, c, (1, lanes), steps, here), flip)
        position = w("add", w("iota", attr=(1, lanes, 1)), w("index", attr=c))

        def add(i: Index, carried: list[str]) -> list[str]:
            other = w("xor", w.load(row.keys, i, (1, 1), _HERE), flip)
            earlier = w("and", w("eq", other, mine), w("lt", w("index", attr=i), position))
            before = w("or", w("lt", other, mine), earlier)
            return [w("add", carried[0], w("cast", before, attr=int32))]

        (rank,) = w.fold(n, 1, [wide_constant(w, 0, int32, (1, lanes))], add)
        w.store(rank, row.counts, c, (1, lanes), steps, here)
    with w.loop(n) as j:
        at = symbol(w("cast", w.load(row.counts, j, (1, 1), _HERE), attr=int64))
        w.store(w("cast", w("index", attr=j), attr=int32), row.positions, at, (1, 1), _HERE)
    return w("const", attr=(0, int64))


def _sort(w: Writer, row: _Row, left: Index, n: Index, lanes: int) -> str:
    """Order the first `left` elements; where their positions begin."""
    begin = w("const", attr=(0, int64))
    _count(w, row, left, lanes)
    for number in range(row.passes):
        begin = _move(w, row, number, left, n, begin)
    return begin


def _digit(w: Writer, row: _Row, key: str, number: int) -> str:
    """The index of a key's counter in pass `number`."""
    mask = w("const", attr=((1 << _DIGIT) - 1, row.bits))
    shift = w("const", attr=(number * _DIGIT, row.bits))
    digit = w("and", w("shr", key, shift) if number else key, mask)
    return w("cast", w("add", digit, w("const", attr=(number << _DIGIT, row.bits))), attr=int64)


def _clear(w: Writer, row: _Row, lanes: int) -> None:
    zero = w("const", attr=(0, int32))
    with w.loop(row.passes << _DIGIT, lanes) as j:
        w.store(zero, row.counts, j, (1, lanes), (_ZERO, _ONE))


def _count(w: Writer, row: _Row, n: Index, lanes: int) -> None:
    """Counts of each digit, for all passes at once."""
    _clear(w, row, lanes)
    one = w("const", attr=(1, int32))
    with w.loop(n) as j:
        key = w.load(row.keys, j, (1, 1), _HERE)
        for number in range(row.passes):
            at = symbol(_digit(w, row, key, number))
            w.store(one, row.counts, at, (1, 1), _HERE, accumulate=True)


def _choose(w: Writer, row: _Row, n: Index, k: Index, lanes: int) -> str:
    """Keep the elements whose highest digit may be among the first k; how many they are."""
    _clear(w, row, lanes)
    last = row.passes - 1
    one, zero = w("const", attr=(1, int32)), w("const", attr=(0, int64))
    with w.loop(n) as j:
        at = symbol(_digit(w, row, w.load(row.keys, j, (1, 1), _HERE), last))
        w.store(one, row.counts, at, (1, 1), _HERE, accumulate=True)

    def reach(j: Index, carried: list[str]) -> list[str]:
        here = w.load(row.counts, j + (last << _DIGIT), (1, 1), _HERE)
        total = w("add", carried[0], w("cast", here, attr=int64))
        short = w("cast", w("lt", total, w("index", attr=k)), attr=int64)
        return [total, w("add", carried[1], short)]

    limit = w.fold(1 << _DIGIT, 1, [zero, w("const", attr=(last << _DIGIT, int64))], reach)[1]

    def keep(j: Index, carried: list[str]) -> list[str]:
        key = w.load(row.keys, j, (1, 1), _HERE)
        position = w.load(row.positions, j, (1, 1), _HERE)
        (at,) = carried  # never beyond j
        w.store(key, row.keys, symbol(at), (1, 1), _HERE)
        w.store(position, row.positions, symbol(at), (1, 1), _HERE)
        inside = w("le", _digit(w, row, key, last), limit)
        return [w("add", at, w("cast", inside, attr=int64))]

    return w.fold(n, 1, [zero], keep)[0]


def _move(w: Writer, row: _Row, number: int, n: Index, half: Index, begin: str) -> str:
    """Order by one digit, from the half that begins at `begin` to the other, which is returned."""
    base = number << _DIGIT

    def start(j: Index, carried: list[str]) -> list[str]:
        here = w.load(row.counts, j + base, (1, 1), _HERE)
        w.store(carried[0], row.counts, j + base, (1, 1), _HERE)
        most = w("max", carried[1], here)
        return [w("add", carried[0], here), most]

    none = w("const", attr=(0, int32))
    _, most = w.fold(1 << _DIGIT, 1, [none, none], start)
    several = w("lt", w("cast", most, attr=int64), w("index", attr=n))

    def turn(_: Index, carried: list[str]) -> list[str]:
        (now,) = carried
        other = w("sub", w("index", attr=half), now)
        one = w("const", attr=(1, int32))
        with w.loop(n) as j:
            key = w.load(row.keys, symbol(now) + j, (1, 1), _HERE)
            position = w.load(row.positions, symbol(now) + j, (1, 1), _HERE)
            counter = symbol(_digit(w, row, key, number))
            at = w.load(row.counts, counter, (1, 1), _HERE)
            w.store(w("add", at, one), row.counts, counter, (1, 1), _HERE)
            to = symbol(other) + symbol(w("cast", at, attr=int64))
            w.store(key, row.keys, to, (1, 1), _HERE)
            w.store(position, row.positions, to, (1, 1), _HERE)
        return [other]

    return w.fold(symbol(w("cast", several, attr=int64)), 1, [begin], turn)[0]
