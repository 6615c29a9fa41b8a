"""Scaled dot-product attention as one kernel: softmax(q kᵀ·scale + mask) v and log-sum-exp.

A task is a block of queries of one head: scores against all keys it sees go to scratch, then their
maxima, exponentials and sums, then the weighted sum of values. Where keys are many they come in
chunks, and what was summed before a new maximum is scaled down (Milakov and Gimelshein, Online
normalizer calculation for softmax, 2018). A query that sees nothing gets zeros.

Imports kernel and base. Example: `attention(node, (out, lse), homes, host_target())`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.templates.attention_tiles import (
    ONE,
    ZERO,
    Block,
    Heads,
    ResultTile,
    Setting,
    choose_tiling,
)
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index


def attention(
    node: Node, results: Sequence[Node | None], homes: dict[Node, Home], target: Target
) -> Work:
    """The kernel of an `attention` node; `results` are (out, lse), None where unread."""
    q, k = node.inputs[:2]
    w, tiling = Writer("attention"), choose_tiling(target, q.dtype, q.shape[2])
    setting = Setting(w, q.dtype, tiling, bool(node.attrs["causal"]), q.shape[2], k.shape[2])
    batch, heads, queries, _ = map(w.extent, q.shape)
    with (
        w.loop(batch, grid=True) as b,
        w.loop(heads, grid=True) as h,
        w.loop(queries, tiling.queries, grid=True) as i,
    ):
        _Forward(setting, node, homes, (b, h), i).write(results)
    return w.work()


class _Sums(NamedTuple):
    """A block's sums of values between chunks of keys."""

    w: Writer
    local: str
    pitch: Index

    def load(self, tile: ResultTile) -> str:
        """The tile of sums so far."""
        at = self.pitch * tile.row + tile.column
        return self.w.load(self.local, at, tile.shape, (self.pitch, ONE))

    def store(self, tile: ResultTile, total: str) -> None:
        """Keep the tile."""
        at = self.pitch * tile.row + tile.column
        self.w.store(total, self.local, at, tile.shape, (self.pitch, ONE))


class _Forward:
    """One block of queries."""

    def __init__(
        self,
        setting: Setting,
        node: Node,
        homes: dict[Node, Home],
        at: tuple[Index, Index],
        first: Index,
    ) -> None:
        self.s, self.w, self.homes, self.at = setting, setting.w, homes, at
        self.block = Block(setting, first)
        q, self.k, self.v, *self.masks = (setting.operand(n, homes, at) for n in node.inputs)
        self.panel = self.block.panel(q, node.attrs["scale"])
        tiling = setting.tiling
        self.online = setting.keys > tiling.chunk
        size = as_index(tiling.chunk) if self.online else self.w.extent(setting.keys)
        self.weights = self.w.local(setting.dtype, (size + tiling.keys) * tiling.queries)
        self.factor = self._lanes()

    def _lanes(self) -> str:
        return self.w.local(self.s.dtype, as_index(self.s.tiling.queries))

    def write(self, results: Sequence[Node | None]) -> None:
        """Compute and store what is wanted."""
        out, lse = (
            None if n is None else self.s.reach(n, self.homes[n], self.at, written=True)
            for n in results
        )
        limit = self.block.limit()
        if self.online:
            self._online(limit, out, lse)
            return
        top = self._scores(ZERO, limit, self.s.constant(-math.inf))
        shift = self._finite(top)
        total = self._exponentials(limit, shift, self.s.constant(0))
        self._normalise(total, shift, lse)
        if out is not None:
            zero = self.s.constant(0)
            self.block.sum_over_keys(
                self.weights, self.v, (ZERO, limit), lambda _: zero, self._store_scaled(out)
            )

    # -- scores -------------------------------------------------------------------------------

    def _scores(self, first: Index, n: Index, top: str) -> str:
        """Scores of keys first … first + n - 1 into scratch; their maximum per query with `top`."""
        w, t = self.w, self.s.tiling
        row = (1, t.queries)

        def body(j: Index, carried: list[str]) -> list[str]:
            key = first + j
            tile = self.block.scores(self.k, self.panel, key)
            for mask in self.masks:
                tile = w("add", tile, self.block.mask(mask, key))
            tile = self.block.hide(tile, key, -math.inf)
            at, strides = j * t.queries, (as_index(t.queries), ONE)
            w.store(tile, self.weights, at, (t.keys, t.queries), strides)
            (running,) = carried
            for r in range(t.keys):
                again = w.load(self.weights, at + r * t.queries, row, (ZERO, ONE))
                # not "max": one instruction, and a NaN comes back in the sum
                running = w("select", w("gt", again, running), again, running)
            return [running]

        (top,) = w.fold(n, t.keys, [top], body, split=False)
        return top

    def _finite(self, top: str) -> str:
        """The number subtracted before exp: the maximum, or 0 where that is infinite."""
        w = self.w
        infinite = w("eq", w("abs", top), self.s.constant(math.inf))
        return w("select", infinite, self.s.constant(0), top)

    def _exponentials(self, n: Index, shift: str, total: str) -> str:
        """Scores in scratch become exp(score - shift); `total` plus their sums per query."""
        w, t = self.w, self.s.tiling
        rows = t.keys // 2
        shape, strides = (rows, t.queries), (as_index(t.queries), ONE)

        def body(j: Index, carried: list[str]) -> list[str]:
            x = w("sub", w.load(self.weights, j * t.queries, shape, strides), shift)
            p = w("exp", x)
            w.store(p, self.weights, j * t.queries, shape, strides)
            return [w("add", carried[0], w.reduce("add", p, 0))]

        (total,) = w.fold(n, rows, [total], body, split=False)
        return total

    # -- results ------------------------------------------------------------------------------

    def _normalise(self, total: str, shift: str, lse: Heads | None) -> None:
        """Put 1/sum per query into scratch, 0 where nothing is seen; store log-sum-exp."""
        w, s, zero = self.w, self.s, self.s.constant(0)
        inverse = w("select", w("eq", total, zero), zero, w("div", s.constant(1), total))
        s.store_lanes(inverse, self.factor)
        if lse is not None:
            at, shape = lse.at(self.block.first), (1, s.tiling.queries)
            valid = Valid(None, self.block.valid)
            tile = w("add", w("log", total), shift)
            w.store(tile, lse.buffer, at, shape, (ZERO, lse.row), valid)

    def _factors(self, tile: ResultTile) -> str:
        """A number per row of a result tile."""
        return self.w.load(self.factor, tile.row, (tile.shape[0], 1), (ONE, ZERO))

    def _store_scaled(self, out: Heads) -> Callable[[ResultTile, str], None]:
        def finish(tile: ResultTile, total: str) -> None:
            x = self.w("mul", total, self._factors(tile))
            at = out.at(self.block.first + tile.row, tile.column)
            self.w.store(x, out.buffer, at, tile.shape, (out.row, out.column), tile.valid)

        return finish

    # -- many keys ----------------------------------------------------------------------------

    def _rescaled(self, sums: _Sums, tile: ResultTile) -> str:
        return self.w("mul", sums.load(tile), self._factors(tile))

    def _online(self, limit: Index, out: Heads | None, lse: Heads | None) -> None:
        """Chunks of keys, with maximum, sum of exponentials and sum of values kept between."""
        w, s, block = self.w, self.s, self.block
        tops, totals = self._lanes(), self._lanes()
        s.store_lanes(s.constant(-math.inf), tops)
        s.store_lanes(s.constant(0), totals)
        pitch = w.extent(self.v.width) + s.tiling.columns(self.v.width)
        sums = _Sums(w, w.local(s.dtype, pitch * s.tiling.queries), pitch)
        if out is not None:
            with block.result_tiles(self.v.width) as tile:
                sums.store(tile, s.constant(0))
        with w.loop(limit, s.tiling.chunk) as c:
            before = s.load_lanes(tops)
            top = self._scores(c, count(c), before)
            shift = self._finite(top)
            factor = w("exp", w("sub", before, shift))
            total = self._exponentials(count(c), shift, w("mul", factor, s.load_lanes(totals)))
            for lanes, local in ((top, tops), (total, totals), (factor, self.factor)):
                s.store_lanes(lanes, local)
            if out is not None:
                keys = (c, count(c))
                start = partial(self._rescaled, sums)
                block.sum_over_keys(self.weights, self.v, keys, start, sums.store)
        self._normalise(s.load_lanes(totals), self._finite(s.load_lanes(tops)), lse)
        if out is not None:
            finish = self._store_scaled(out)
            with block.result_tiles(self.v.width) as tile:
                finish(tile, sums.load(tile))
