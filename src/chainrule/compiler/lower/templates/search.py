"""Positions of values in sorted rows, by binary search: `searchsorted`.

Each lane looks for a value of its own. A step asks whether the element `step` further still comes
before the value, and goes there if so; steps halve, so a row of n elements takes log2(n) of them.
NaN is the largest number. Example: 3 belongs at position 1 of [1, 3, 5], with `right` at 2.
"""

from __future__ import annotations

from chainrule.base.dtypes import int64
from chainrule.base.errors import CompileError
from chainrule.base.shapes import View
from chainrule.compiler.lower.templates.accumulate import wide_constant
from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index

_BLOCK = 1024  # values that one task looks for
_ZERO = as_index(0)


def search(node: Node, home: Home, homes: dict[Node, Home], lanes: int) -> Work:
    """The number of elements of its row that come before each value."""
    rows, values = node.inputs
    size, wanted = rows.shape[1], values.shape[1]
    w = Writer("search")
    table = _matrix(w, stored(homes, rows), rows)
    source = _matrix(w, stored(homes, values), values)
    into = _matrix(w, home, node, written=True)
    n, steps = w.extent(size), w.extent(size.bit_length())
    tile = (1, lanes)
    with (
        w.loop(w.extent(rows.shape[0]), grid=True) as r,
        w.loop(w.extent(wanted), w.block(_BLOCK), grid=True) as block,
        w.loop(count(block), lanes, split=True) as v,
    ):
        here = Valid(None, count(v))
        at = (block + v) * source[1][1]
        value = w.load(source[0], r * source[1][0] + at, tile, (_ZERO, source[1][1]), here)

        def further(s: Index, carried: list[str]) -> list[str]:
            (before,) = carried
            one = w("const", attr=(1, int64))
            step = w("shl", one, w("index", attr=steps - s - 1))
            ahead = w("add", before, step)
            inside = w("le", ahead, w("index", attr=n))
            last = w("select", inside, w("sub", ahead, one), w("const", attr=(0, int64)))
            lane = w("mul", last, w("index", attr=table[1][1]))
            other = w.load(table[0], r * table[1][0], tile, (_ZERO, _ZERO), here, lanes=lane)
            comes = _comes_before(w, other, value, node)
            return [w("select", w("and", inside, comes), ahead, before)]

        (found,) = w.fold(steps, 1, [wide_constant(w, 0, int64, tile)], further)
        at = (block + v) * into[1][1]
        w.store(found, into[0], r * into[1][0] + at, tile, (_ZERO, into[1][1]), here)
    return w.work()


def _matrix(
    w: Writer, kept: tuple[Node, View], node: Node, *, written: bool = False
) -> tuple[str, tuple[Index, Index]]:
    """The buffer of a matrix, and its strides."""
    root, view = kept
    matrix = view.reshape(node.shape)
    if matrix is None:
        raise CompileError(f"{node} lies in memory through strides that are not a matrix")
    buffer = w.buffer(root, node.dtype, matrix.offset, written=written)
    return buffer, (w.extent(matrix.strides[0]), w.extent(matrix.strides[1]))


def _comes_before(w: Writer, other: str, value: str, node: Node) -> str:
    """Whether an element comes before a value; equal ones do with `right`."""
    comes = w("le" if node.attrs["right"] else "lt", other, value)
    if node.inputs[0].dtype.kind != "float":
        return comes
    nan = w("ne", value, value)
    if node.attrs["right"]:
        return w("or", comes, nan)
    return w("or", comes, w("and", nan, w("eq", other, other)))
