"""What all reductions in kernels share: neutral elements, full-size start tiles, masks, blocks.

A sum of n terms in one accumulator has an error of up to n roundings. `fold_in_blocks` adds up
blocks of `TERMS`, then blocks of such sums, so a million terms pass through 317 roundings at most.
Example: a sum starts from `wide_constant(w, 0, float32, (1, 64))` and adds `masked(…)` tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chainrule.base.dtypes import DType, int64
from chainrule.compiler.shared.kernel_writer import Writer, count
from chainrule.graph.node import Node
from chainrule.kernel.index import Index

TERMS = 128  # that one accumulator takes before its sum goes to the next
STEP = {"add": "add", "max": "max", "min": "min"}  # monoid → the primitive that combines two


def identity(node: Node) -> float:
    """The neutral element of a reduction."""
    monoid: str = node.op.lower.monoid
    if monoid == "add":
        return 0
    if node.dtype.kind == "float":
        return -np.inf if monoid == "max" else np.inf
    if node.dtype.kind == "bool":
        return float(monoid == "min")
    limits = np.iinfo(node.dtype.numpy)
    return int(limits.min if monoid == "max" else limits.max)


def wide_constant(w: Writer, value: float, dtype: DType, shape: tuple[int, int]) -> str:
    """A full-size tile of one value, to start a carried accumulation from."""
    positions = w("iota", attr=(*shape, 1))
    always = w("ge", positions, w("const", attr=(0, int64)))
    return w("select", always, w("const", attr=(value, dtype)), w("cast", positions, attr=dtype))


def masked(w: Writer, tile: str, width: int, limit: Index, node: Node) -> str:
    """The operand of a reduction with the identity where columns do not exist."""
    exists = w("lt", w("iota", attr=(1, width, 1)), w("index", attr=limit))
    return w("select", exists, tile, w("const", attr=(identity(node), node.dtype)))


def fold_in_blocks(
    w: Writer,
    extent: Index,
    size: int,
    step: int,
    reductions: Sequence[Node],
    starts: list[str],
    body: Callable[[Index, list[str], Index], list[str]],
    *,
    split: bool = True,
) -> list[str]:
    """`Writer.fold` over `size` positions in blocks of blocks of `TERMS` steps each.

    `starts` hold each reduction's neutral element; `body(position, carried, valid) -> next`.
    """
    span = step
    while size > span * TERMS:
        span *= TERMS
    if span == step:
        return w.fold(extent, step, starts, lambda j, c: body(j, c, count(j)), split=split)

    def block(j: Index, carried: list[str]) -> list[str]:
        def inner(i: Index, own: list[str], valid: Index) -> list[str]:
            return body(j + i, own, valid)

        parts = fold_in_blocks(w, count(j), span, step, reductions, starts, inner, split=split)
        steps = [STEP[node.op.lower.monoid] for node in reductions]
        return [w(fn, c, part) for fn, c, part in zip(steps, carried, parts, strict=True)]

    return w.fold(extent, span, starts, block, split=False)
