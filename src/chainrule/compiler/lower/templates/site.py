"""A position in a kernel's iteration space, and the tiles of graph nodes at that position.

`Site` says which elements of the domain a tile covers; `Tiles` computes nodes there: it loads what
is stored, computes what is fused, once per scope. Example: see `lower/templates/rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from chainrule.base import dtypes
from chainrule.base.errors import CompileError
from chainrule.base.shapes import Shape, View
from chainrule.compiler.shared.access import access, is_view, origin, through, virtual
from chainrule.compiler.shared.kernel_writer import Home, Valid, Writer
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index
from chainrule.ops.record import Template

_LOW, _WORD = 0xFFFFFFFF, 1 << 32


class Site(NamedTuple):
    """A tile of the domain: its first element's coordinates, and the axes it extends along."""

    domain: Shape
    at: tuple[Index, ...]
    row_axis: int | None
    column_axis: int | None
    shape: tuple[int, int]
    valid: Valid

    def address(self, view: View, extent: Callable[[int], Index]) -> Index:
        """Element number of the tile's first element in a view (without the view's offset)."""
        total = as_index(0)
        for coordinate, stride in zip(self.at, view.strides, strict=True):
            if stride:
                total = total + coordinate * _stride(stride, extent)
        return total

    def strides(self, view: View, extent: Callable[[int], Index]) -> tuple[Index, Index]:
        """Strides of a view along the tile's rows and columns."""
        rows, columns = (
            as_index(0) if axis is None else _stride(view.strides[axis], extent)
            for axis in (self.row_axis, self.column_axis)
        )
        return rows, columns


def _stride(value: int, extent: Callable[[int], Index]) -> Index:
    return extent(-value) * -1 if value < 0 else extent(value)


def stored(homes: Mapping[Node, Home], node: Node) -> tuple[Node, View]:
    """The storage that holds an operand, and the operand as a view of it."""
    source = origin(node, homes)
    home = homes.get(source)
    view = None if home is None else through(home.view, node, source)
    if home is None or view is None:
        raise CompileError(f"{node} is not stored where a kernel could read it")
    return home.root, view


def gathered_index(node: Node, homes: Mapping[Node, Home]) -> tuple[Node, View]:
    """The storage of a gather's indices, and a view of it with the index of each element."""
    index = node.inputs[1]
    root, view = stored(homes, index)
    rest = (0,) * (len(node.shape) - len(index.shape))
    return root, View(node.shape, view.strides + rest, view.offset)


def gathered_rows(node: Node, homes: Mapping[Node, Home]) -> tuple[Node, int, View]:
    """The storage of a gather's table, the stride from row to row, and a view within row 0."""
    root, view = stored(homes, node.inputs[0])
    ahead = (0,) * len(node.inputs[1].shape)
    return root, view.strides[0], View(node.shape, ahead + view.strides[1:], view.offset)


class _Waiting(NamedTuple):
    """A node that waits for the tiles of its operands."""

    node: Node
    operands: tuple[Node, ...]
    tiles: list[str]


class Tiles:
    """Tiles of nodes at one site.

    `inside` are the nodes that this kernel computes itself; `outer` is the scope around (a row
    around its columns), asked first.
    """

    def __init__(
        self,
        writer: Writer,
        site: Site,
        inside: Callable[[Node], bool],
        homes: dict[Node, Home],
        outer: Tiles | None = None,
    ) -> None:
        self.writer = writer
        self.site = site
        self.inside = inside
        self.homes = homes
        self.outer = outer
        self.known: dict[Node, str] = {}
        self._loads: dict[object, str] = {}

    def find(self, node: Node) -> str | None:
        """A tile computed here or around."""
        tile = self.known.get(node)
        return tile if tile is not None or self.outer is None else self.outer.find(node)

    def source(self, node: Node) -> Node:
        """The node behind views that this kernel computes, or the node itself."""
        seen = node
        while is_view(seen) and not self.inside(seen) and seen not in self.homes:
            seen = seen.inputs[0]
        return seen

    def value(self, node: Node) -> str:
        """The tile of an operand: known, computed here, or loaded. Chains may be of any length."""
        waiting: list[_Waiting] = []
        tile = self._begin(node, waiting)
        while waiting:
            top = waiting[-1]
            if tile is not None:
                top.tiles.append(tile)
            if len(top.tiles) < len(top.operands):
                tile = self._begin(top.operands[len(top.tiles)], waiting)
            else:
                tile = self.known[top.node] = self._compute(waiting.pop())
        assert tile is not None
        return tile

    def _begin(self, node: Node, waiting: list[_Waiting]) -> str | None:
        """The tile of an operand; None where its own operands come first: then it waits."""
        origin = self.source(node)
        found = self.find(origin)
        if found is not None:
            return found
        if not self.inside(origin):
            return self.load(node)
        lower = origin.op.lower
        waiting.append(_Waiting(origin, () if isinstance(lower, Template) else origin.inputs, []))
        return None

    def _compute(self, made: _Waiting) -> str:
        """The tile of a node of this kernel from those of its operands."""
        node = made.node
        lower = node.op.lower
        if isinstance(lower, Template):
            return {"gather": self._gather, "random_bits": self._bits}[lower.name](node)
        if "index-map" in node.op.traits:  # a copy: read through the view it could not be
            return made.tiles[0]
        return lower.emit(self.writer, node, *made.tiles)  # type: ignore[no-any-return]

    # -- loads --------------------------------------------------------------------------------

    def load(self, node: Node) -> str:
        """The tile of a stored (or virtual) node."""
        source = origin(node, self.homes)
        if virtual(source):
            found = access(node, self.homes)
            if found is None:
                raise CompileError(f"{node} does not follow a constant by strides")
            return self._virtual(self._over_domain(node, found.view), source)
        root, view = stored(self.homes, node)
        return self.load_view(root, node, self._over_domain(node, view))

    def _over_domain(self, node: Node, view: View) -> View:
        wide = view.reshape(self.site.domain)
        if wide is None:
            raise CompileError(f"{node} does not fit the domain {self.site.domain}")
        return wide

    def load_view(self, root: Node, node: Node, view: View, lanes: str | None = None) -> str:
        """Load the tile of a view of a storage, once per scope."""
        w, s = self.writer, self.site
        key = (root, view.offset, view.strides, node.dtype, lanes)
        if key not in self._loads:
            rows, columns = s.strides(view, w.extent)
            shape = (s.shape[0] if rows.terms else 1, s.shape[1] if columns.terms else 1)
            if lanes is not None:
                shape = s.shape
            buffer = w.buffer(root, node.dtype, view.offset)
            valid = Valid(
                s.valid.rows if shape[0] > 1 else None, s.valid.columns if shape[1] > 1 else None
            )
            at = s.address(view, w.extent)
            self._loads[key] = w.load(buffer, at, shape, (rows, columns), valid, lanes)
        return self._loads[key]

    def _virtual(self, view: View, source: Node) -> str:
        if "positional" not in source.op.traits:
            return source.op.lower.emit(self.writer, source)  # type: ignore[no-any-return]
        offset = self.position(view)
        return (
            offset
            if source.dtype is dtypes.int64
            else self.writer("cast", offset, attr=source.dtype)
        )

    def position(self, view: View) -> str:
        """The element numbers of a view as an int64 tile."""
        w, s = self.writer, self.site
        tile = w("index", attr=s.address(view, w.extent) + w.extent(view.offset))
        strides = s.strides(view, w.extent)
        for axis, (stride, n) in enumerate(zip(strides, s.shape, strict=True)):
            if stride.terms and n > 1:
                shape = (n, 1) if axis == 0 else (1, n)
                ramp = w("iota", attr=(*shape, axis))
                if stride.constant != 1:
                    ramp = w("mul", ramp, w("index", attr=stride))
                tile = w("add", tile, ramp)
        return tile

    def store(self, node: Node, home: Home) -> None:
        """Write a node's tile to its home."""
        w, s = self.writer, self.site
        view = home.view.reshape(s.domain)
        if view is None:
            raise CompileError(f"{node} cannot be written to {home} over {s.domain}")
        buffer = w.buffer(home.root, node.dtype, view.offset, written=True)
        at, strides = s.address(view, w.extent), s.strides(view, w.extent)
        w.store(self.value(node), buffer, at, s.shape, strides, s.valid)

    # -- ops with an address of their own ----------------------------------------------------------

    def _gather(self, node: Node) -> str:
        """Rows of a table: the index, kept inside the table, times the row's stride."""
        w, (table, index) = self.writer, node.inputs
        index_root, over = gathered_index(node, self.homes)
        row = self.load_view(index_root, index, self._over_domain(node, over))
        top = w("index", attr=w.extent(table.shape[0]) - 1)
        row = w("min", w("max", row, w("const", attr=(0, dtypes.int64))), top)
        root, pitch, inside = gathered_rows(node, self.homes)
        start = w("mul", row, w("index", attr=_stride(pitch, w.extent)))
        return self.load_view(root, node, self._over_domain(node, inside), lanes=start)

    def _bits(self, node: Node) -> str:
        """Philox of (state + ordinal, loop, element): see `ops/random.py`."""
        w = self.writer
        root, view = stored(self.homes, node.inputs[0])
        zero = as_index(0)
        seed, position, loop = (
            w.load(
                w.buffer(root, dtypes.int64, view.offset + i * view.strides[0]),
                zero,
                (1, 1),
                (zero, zero),
            )
            for i in range(3)
        )

        def const(value: int) -> str:
            return w("const", attr=(value, dtypes.int64))

        low, word = const(_LOW), const(_WORD)
        draw = w("add", position, w("index", attr=w.extent(node.attrs["ordinal"])))
        element = self.position(View.whole(self.site.domain))
        if node.attrs["start"]:
            element = w("add", element, w("index", attr=w.extent(node.attrs["start"])))
        key = (w("and", seed, low), w("and", w("floordiv", seed, word), low))
        counter = (
            w("and", draw, low),
            w("floordiv", element, word),
            w("and", loop, low),
            w("and", element, low),
        )
        return w("philox", *key, *counter, attr=node.attrs["word"])
