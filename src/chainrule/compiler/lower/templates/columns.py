"""Sums along leading or middle axes, and of whole vectors, with their elementwise operands fused.

    columns: out[i, c] = Σ_r f(x[i, r, c])      one task per block of columns walks the rows
    fold:    out = Σ_n f(x[n])                   fixed chunks to partial results, then their sum

The order of addition depends on shapes only. Example: the bias gradient of a linear layer.
"""

from __future__ import annotations

from chainrule.base import shapes
from chainrule.base.shapes import View
from chainrule.compiler.lower.templates.accumulate import (
    STEP,
    TERMS,
    fold_in_blocks,
    identity,
    masked,
    wide_constant,
)
from chainrule.compiler.lower.templates.rows import (
    RowGroup,
    axis_runs,
    gather_views,
    over_axes,
    views_of,
)
from chainrule.compiler.lower.templates.site import Site, Tiles
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index

_VECTORS = 4  # vectors of columns that a task of a column kernel carries
_TASK = 8192  # elements that are worth a task of their own
_PARTS = 64  # at most so many partial results of a fold
_PART = 8192  # elements of a partial result, at least


def columns(group: RowGroup, homes: dict[Node, Home], lanes: int) -> Work:
    """The kernel of a reduction over axes that are not the last."""
    return _Columns(group, homes, lanes).write()


class _Columns:
    """Axes are kept or reduced; the last is kept and runs in vectors."""

    def __init__(self, group: RowGroup, homes: dict[Node, Home], lanes: int) -> None:
        self.group, self.homes = group, homes
        (self.node,) = group.stores
        self.w = Writer("columns")
        reduced = self.node.attrs["axes"]
        shape = group.domain
        steps = View.whole(self.node.shape).strides
        kept = iter(steps)
        # A view that is even from axis to axis exactly if both are reduced, or both kept
        mark = View(shape, tuple(0 if i in reduced else next(kept) for i in range(len(shape))))
        views = [*views_of(group.nodes, set(group.nodes), homes, shape), mark]
        views += gather_views(group.nodes, homes, shape)
        runs = axis_runs(shape, views, keep=1)
        self.domain = tuple(shapes.size([shape[i] for i in run]) for run in runs)
        self.is_reduced = [run[0] in reduced for run in runs]
        self.width = min(_VECTORS * lanes, -(-shape[-1] // lanes) * lanes)

    def write(self) -> Work:
        kept = [i for i, r in enumerate(self.is_reduced[:-1]) if not r]
        work = shapes.size([n for i, n in enumerate(self.domain) if i not in kept])
        if kept and self.domain[-1] * work <= _TASK:
            sizes = tuple(self.domain[i] for i in kept)
            over_axes(
                self.w,
                sizes,
                work,
                lambda at: self._block(dict(zip(kept, at, strict=True)), grid=False),
            )
        else:
            self._kept(kept, {})
        return self.w.work()

    def _kept(self, axes: list[int], at: dict[int, Index]) -> None:
        if not axes:
            self._block(at, grid=True)
            return
        with self.w.loop(self.w.extent(self.domain[axes[0]]), grid=True) as i:
            self._kept(axes[1:], {**at, axes[0]: i})

    def _block(self, at: dict[int, Index], *, grid: bool) -> None:
        """Blocks of columns, each summed over all reduced axes."""
        w = self.w
        with w.loop(w.extent(self.domain[-1]), self.width, grid=grid) as c:
            at = {**at, len(self.domain) - 1: c}
            start = wide_constant(w, identity(self.node), self.node.dtype, (1, self.width))
            reduced = [i for i, r in enumerate(self.is_reduced[:-1]) if r]
            total = self._reduced(reduced, at, start, start, count(c))
            self._store(total, at, count(c))

    def _reduced(
        self, axes: list[int], at: dict[int, Index], start: str, carry: str, valid: Index
    ) -> str:
        """`carry` and the sum over the axes; a long sum begins anew at `start`."""
        w = self.w
        if not axes:
            last = len(self.domain) - 1
            coordinates = tuple(at[i] for i in range(len(self.domain)))
            site = Site(self.domain, coordinates, None, last, (1, self.width), Valid(None, valid))
            tiles = Tiles(w, site, self._inside, self.homes)
            return w(STEP[self.node.op.lower.monoid], carry, tiles.value(self.node.inputs[0]))
        first, *rest = axes
        size, step = self.domain[first], STEP[self.node.op.lower.monoid]
        long = shapes.size([self.domain[i] for i in axes]) > TERMS

        def body(j: Index, carried: list[str], _: Index) -> list[str]:
            return [self._reduced(rest, {**at, first: j}, start, carried[0], valid)]

        begin = start if long else carry
        (end,) = fold_in_blocks(w, w.extent(size), size, 1, [self.node], [begin], body, split=False)
        return w(step, carry, end) if long and carry != start else end

    def _inside(self, node: Node) -> bool:
        return node in self.group.nodes and node is not self.node

    def _store(self, total: str, at: dict[int, Index], valid: Index) -> None:
        w, home = self.w, self.homes[self.node]
        kept = [i for i, r in enumerate(self.is_reduced) if not r]
        shape = tuple(self.domain[i] for i in kept)
        view = home.view.reshape(shape)
        assert view is not None
        buffer = w.buffer(home.root, self.node.dtype, view.offset, written=True)
        offset = as_index(0)
        for i, stride in zip(kept, view.strides, strict=True):
            offset = offset + at[i] * w.extent(stride)
        step = w.extent(view.strides[-1])
        w.store(total, buffer, offset, (1, self.width), (as_index(0), step), Valid(None, valid))


def parts_of_fold(size: int) -> int:
    """The number of partial results of a fold of `size` elements; 1 is one kernel alone."""
    return max(1, min(_PARTS, size // _PART))


def fold(group: RowGroup, homes: dict[Node, Home], lanes: int, parts: int) -> Work:
    """Reduce a vector in `parts` equal chunks, one number each, written to the node's home."""
    w = Writer("fold")
    (node,) = group.stores
    into = homes[node]
    size = shapes.size(group.domain)
    width = 4 * lanes
    chunk = -(-size // parts // width) * width if parts > 1 else size
    chunk = max(chunk, 1)
    with w.loop(w.extent(parts), grid=True) as part:
        first = part * w.extent(chunk) if parts > 1 else as_index(0)
        start = wide_constant(w, identity(node), node.dtype, (1, width))

        def body(j: Index, carried: list[str], valid: Index) -> list[str]:
            limit = w.extent(size) - first - j if parts > 1 else valid
            site = Site((size,), (first + j,), None, 0, (1, width), Valid(None, limit))
            tiles = Tiles(w, site, lambda n: n in group.nodes and n is not node, homes)
            value = masked(w, tiles.value(node.inputs[0]), width, limit, node)
            return [w(STEP[node.op.lower.monoid], carried[0], value)]

        (total,) = fold_in_blocks(
            w, w.extent(chunk), chunk, width, [node], [start], body, split=parts == 1
        )
        out = w.reduce(node.op.lower.monoid, total, 1)
        buffer = w.buffer(into.root, node.dtype, into.view.offset, written=True)
        zero = as_index(0)
        w.store(out, buffer, part if parts > 1 else zero, (1, 1), (zero, zero))
    return w.work()
