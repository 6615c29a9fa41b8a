"""The gradient of scaled dot-product attention as one kernel: dq, dk, dv from out and log-sum-exp.

    P = exp(q kᵀ·scale + mask - lse)    dS = P ∘ (dO vᵀ - rowsum(dO ∘ O))·scale
    dv = Pᵀ dO    dk = dSᵀ q    dq = dS k

A task is one head. It walks blocks of queries; for each tile of keys it computes P and dS again
and adds to dk and dv in place; dS stays in scratch until the block's dq is summed. Source: Dao et
al., FlashAttention (2022).

Imports kernel and base. Example: `attention_grad(node, (dq, dk, dv), homes, host_target())`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.templates.attention_tiles import (
    ONE,
    ZERO,
    Block,
    Heads,
    ResultTile,
    Setting,
    choose_tiling,
    extreme,
    inner_product,
    is_ragged,
)
from chainrule.compiler.shared.kernel_writer import Home, Valid, Work, Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index


def attention_grad(
    node: Node, results: Sequence[Node | None], homes: dict[Node, Home], target: Target
) -> Work:
    """The kernel of an `attention_grad` node; `results` are (dq, dk, dv), None where unread."""
    q, k = node.inputs[:2]
    w, tiling = Writer("attention_grad"), choose_tiling(target, q.dtype, q.shape[2])
    setting = Setting(w, q.dtype, tiling, bool(node.attrs["causal"]), q.shape[2], k.shape[2])
    batch, heads, queries, _ = map(w.extent, q.shape)
    with w.loop(batch, grid=True) as b, w.loop(heads, grid=True) as h:
        task = _Backward(setting, node, results, homes, (b, h))
        task.clear()
        with w.loop(queries, tiling.queries) as i:
            task.block(Block(setting, i))
    return w.work()


class _Backward:
    """One head."""

    def __init__(
        self,
        setting: Setting,
        node: Node,
        results: Sequence[Node | None],
        homes: dict[Node, Home],
        at: tuple[Index, Index],
    ) -> None:
        self.s, self.w, self.scale = setting, setting.w, node.attrs["scale"]
        reached = (setting.operand(n, homes, at) for n in node.inputs)
        self.q, self.k, self.v, self.out, self.lse, self.d_out, *self.masks = reached
        self.dq, self.dk, self.dv = (
            None if n is None else setting.reach(n, homes[n], at, written=True) for n in results
        )
        t, w = setting.tiling, self.w
        self.chunked = setting.keys > t.chunk
        size = as_index(t.chunk) if self.chunked else w.extent(setting.keys)
        self.weights = w.local(setting.dtype, as_index(t.keys * t.queries))
        self.d_scores = w.local(setting.dtype, (size + t.keys) * t.queries)
        self.dots = w.local(setting.dtype, as_index(t.queries))

    def clear(self) -> None:
        """dk = dv = 0: every block of queries adds to them."""
        w, t = self.w, self.s.tiling
        for heads in (self.dk, self.dv):
            if heads is None:
                continue
            wide = t.columns(heads.width)
            shape, strides = (t.keys, wide), (heads.row, heads.column)
            keys, width = w.extent(self.s.keys), w.extent(heads.width)
            with w.loop(keys, t.keys) as j, w.loop(width, wide) as e:
                rows = count(j) if is_ragged(self.s.keys, t.keys) else None
                valid = Valid(rows, count(e) if heads.width % wide else None)
                w.store(self.s.constant(0), heads.buffer, heads.at(j, e), shape, strides, valid)

    def block(self, block: Block) -> None:
        """One block of queries against all keys it sees."""
        w, s, limit = self.w, self.s, block.limit()
        turned = block.panel(self.q, self.scale), block.panel(self.d_out, self.scale)
        lanes = self._log_sum(block), self._shift(block)
        if not self.chunked:
            self._keys(block, (ZERO, limit), turned, lanes)
            self._queries(block, (ZERO, limit), again=False)
            return
        if self.dq is not None:
            with block.result_tiles(self.dq.width) as tile:
                self._store(block, tile, s.constant(0))
        with w.loop(limit, s.tiling.chunk) as c:
            self._keys(block, (c, count(c)), turned, lanes)
            self._queries(block, (c, count(c)), again=True)

    # -- per query ----------------------------------------------------------------------------

    def _log_sum(self, block: Block) -> str:
        """Log-sum-exp, or 0 where a query saw nothing."""
        w, s = self.w, self.s
        shape, strides = (1, s.tiling.queries), (ZERO, self.lse.row)
        at = self.lse.at(block.first)
        lse = w.load(self.lse.buffer, at, shape, strides, Valid(None, block.valid))
        nothing = w("eq", lse, s.constant(-math.inf))
        return w("select", nothing, s.constant(0), lse)

    def _shift(self, block: Block) -> str:
        """rowsum(dO ∘ O)·scale."""
        w, s, t = self.w, self.s, self.s.tiling
        wide = t.columns(self.out.width)
        with w.loop(block.n, t.rows) as r:
            rows = count(r) if block.valid is not None else None

            def body(e: Index, carried: list[str]) -> list[str]:
                valid = Valid(rows, count(e) if self.out.width % wide else None)
                tiles = [
                    w.load(
                        x.buffer, x.at(block.first + r, e), (t.rows, wide), (x.row, x.column), valid
                    )
                    for x in (self.d_out, self.out)
                ]
                return [w("add", carried[0], w("mul", *tiles))]

            width = w.extent(self.out.width)
            (dots,) = w.fold(width, wide, [s.constant(0)], body, split=False)
            w.store(w.reduce("add", dots, 1), self.dots, r, (t.rows, 1), (ONE, ZERO))
        return w("mul", s.load_lanes(self.dots), s.constant(self.scale))

    # -- per tile of keys -----------------------------------------------------------------------

    def _keys(
        self,
        block: Block,
        keys: tuple[Index, Index],
        turned: tuple[str, str],
        lanes: tuple[str, str],
    ) -> None:
        """dS of some keys into scratch; their dk and dv."""
        w, t, (first, n) = self.w, self.s.tiling, keys
        shape, strides = (t.keys, t.queries), (as_index(t.queries), ONE)
        with w.loop(n, t.keys) as j:
            key, at = first + j, j * t.queries
            scores = block.scores(self.k, turned[0], key)
            for mask in self.masks:
                scores = w("add", scores, block.mask(mask, key))
            p = w("exp", w("sub", scores, lanes[0]))
            w.store(block.hide(p, key, 0), self.weights, ZERO, shape, strides)
            if self.dv is not None:
                self._add(block, key, self.dv, (self.weights, ZERO), self.d_out)
            if self.dq is None and self.dk is None:
                return
            down = w("sub", block.scores(self.v, turned[1], key), lanes[1])
            p = w.load(self.weights, ZERO, shape, strides)
            w.store(w("mul", p, down), self.d_scores, at, shape, strides)
            if self.dk is not None:
                self._add(block, key, self.dk, (self.d_scores, at), self.q)

    def _add(
        self,
        block: Block,
        key: Index,
        into: Heads,
        scores: tuple[str, Index],
        rows: Heads,
    ) -> None:
        """into[key, :] += Σ_query scores[key][query] · rows[query, :] for a tile of keys."""
        w, t, (local, base) = self.w, self.s.tiling, scores
        wide = t.columns(into.width)
        start = self._first(block, key)
        with w.loop(w.extent(into.width), wide) as e:
            columns = count(e) if into.width % wide else None
            shape, strides = (t.keys, wide), (into.row, into.column)
            valid = Valid(block.left(key), columns)
            old = w.load(into.buffer, into.at(key, e), shape, strides, valid)

            def left(query: Index) -> str:
                at, pitch = base + start + query, as_index(t.queries)
                return w.load(local, at, (t.keys, 1), (pitch, ZERO))

            def right(query: Index) -> str:
                at = rows.at(block.first + start + query, e)
                strides = (ZERO, rows.column)
                return w.load(rows.buffer, at, (1, wide), strides, Valid(None, columns))

            new = inner_product(w, block.n - start, old, left, right)
            w.store(new, into.buffer, into.at(key, e), shape, strides, valid)

    def _first(self, block: Block, key: Index) -> Index:
        """The first query of the block that sees the key."""
        if not self.s.causal:
            return ZERO
        return extreme(self.w, "max", ZERO, key - block.first)

    # -- dq -------------------------------------------------------------------------------------

    def _queries(self, block: Block, keys: tuple[Index, Index], *, again: bool) -> None:
        """dq of the block, or what these keys add to it."""
        if self.dq is None:
            return
        dq, w = self.dq, self.w

        def start(tile: ResultTile) -> str:
            if not again:
                return self.s.constant(0)
            at, strides = dq.at(block.first + tile.row, tile.column), (dq.row, dq.column)
            return w.load(dq.buffer, at, tile.shape, strides, tile.valid)

        def finish(tile: ResultTile, total: str) -> None:
            self._store(block, tile, total)

        block.sum_over_keys(self.d_scores, self.k, keys, start, finish)

    def _store(self, block: Block, tile: ResultTile, value: str) -> None:
        assert self.dq is not None
        at = self.dq.at(block.first + tile.row, tile.column)
        strides = (self.dq.row, self.dq.column)
        self.w.store(value, self.dq.buffer, at, tile.shape, strides, tile.valid)
