"""`Reduce` and `Mma`: folding a tile, and the tile product by fused multiply-adds.

The order of every sum is fixed by the tile's shape, so results do not depend on threads: vectors
of a row are folded pairwise, then halves of the last vector. Imports kernel and base.

Example: the sum of a (1, 32) float32 tile with 16 lanes is 1 vector addition and 4 shuffled ones.
"""

from __future__ import annotations

import math

from chainrule.base.dtypes import DType
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.primitives import arithmetic, fused
from chainrule.compiler.codegen.tiles import (
    Tile,
    broadcast,
    literal,
    operand,
    spell,
    splat,
    vectors_of,
    width_of,
)
from chainrule.compiler.codegen.writer import Writer
from chainrule.kernel.ir import Mma, Monoid, Reduce


def identity(monoid: Monoid, dtype: DType) -> float:
    """The neutral element: 0 for add and or, 1 for mul, the lowest value for max."""
    if monoid in ("add", "or"):
        return 0
    if monoid == "mul":
        return 1
    if dtype.kind == "bool":
        return int(monoid != "max")
    if dtype.kind == "float":
        return -math.inf if monoid == "max" else math.inf
    bits = 8 * dtype.itemsize
    if monoid == "and":
        return -1 if dtype.is_signed else 2**bits - 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype.is_signed else (0, 2**bits - 1)
    return low if monoid == "max" else high


def reduce(ctx: Context, node: Reduce) -> Tile:
    """The folded tile: (1, C) along axis 0, (R, 1) along axis 1."""
    tile = ctx.tiles[node.tile]
    rows, columns = tile.shape
    depth = ctx.writer.depth
    if node.axis == 0:
        if rows == 1:
            return tile
        count = vectors_of(columns, ctx.target.lanes) if tile.wide else 1
        width = width_of(columns, ctx.target.lanes) if tile.wide else 1
        parts = (
            tuple(
                _fold(ctx, node.monoid, tile.dtype, width, [tile.row(r)[v] for r in range(rows)])
                for v in range(count)
            ),
        )
        return Tile(tile.dtype, (1, columns), parts, tile.wide, depth)
    if columns == 1:
        return tile
    folded = tuple((_row(ctx, node.monoid, tile, r),) for r in range(len(tile.parts)))
    return Tile(tile.dtype, (rows, 1), folded, wide=False, depth=depth)


def _fold(ctx: Context, monoid: Monoid, dtype: DType, width: int, values: list[str]) -> str:
    """Fold pairwise: (v0 v1) (v2 v3) …, then the results likewise."""
    while len(values) > 1:
        pairs = [
            arithmetic(ctx.writer, monoid, dtype, width, pair)
            for pair in zip(values[::2], values[1::2], strict=False)
        ]
        values = pairs + values[len(values) & ~1 :]
    return values[0]


def _row(ctx: Context, monoid: Monoid, tile: Tile, r: int) -> str:
    """Fold one row to a number."""
    writer, dtype, columns = ctx.writer, tile.dtype, tile.shape[1]
    width = width_of(columns, ctx.target.lanes)
    count = vectors_of(columns, ctx.target.lanes)
    kind = spell(dtype, width)
    values = [operand(writer, tile, r, v, width) for v in range(count)]
    used = columns - (count - 1) * width
    if used < width:
        bits = ", ".join(f"i1 {'true' if lane < used else 'false'}" for lane in range(width))
        rest = literal(identity(monoid, dtype), dtype, width)
        values[-1] = writer.op(
            f"select <{width} x i1> <{bits}>, {kind} {values[-1]}, {kind} {rest}"
        )
    vector = _fold(ctx, monoid, dtype, width, values)
    while width > 1:
        halves = _halves(writer, spell(dtype, width), vector, width // 2)
        width //= 2
        vector = arithmetic(writer, monoid, dtype, width, halves)
    return vector


def _halves(writer: Writer, kind: str, vector: str, half: int) -> list[str]:
    if half == 1:
        return [writer.op(f"extractelement {kind} {vector}, i64 {lane}") for lane in (0, 1)]
    out = []
    for start in (0, half):
        lanes = ", ".join(f"i32 {start + lane}" for lane in range(half))
        picks = f"<{half} x i32> <{lanes}>"
        out.append(writer.op(f"shufflevector {kind} {vector}, {kind} poison, {picks}"))
    return out


def mma(ctx: Context, node: Mma) -> Tile:
    """acc + a @ b: for each k, for each row r: acc[r] = fma(a[r, k], b[k], acc[r])."""
    acc, a, b = (ctx.tiles[name] for name in (node.acc, node.a, node.b))
    rows, columns = shape = (a.shape[0], b.shape[1])
    width = width_of(columns, ctx.target.lanes)
    out = broadcast(ctx.writer, acc, shape, ctx.target.lanes)
    table = [list(row) for row in out.parts]
    for k in range(a.shape[1]):
        for r in range(rows):
            factor = _element(ctx, a, r, k, width)
            for v in range(vectors_of(columns, ctx.target.lanes)):
                other = operand(ctx.writer, b, k, v, width)
                table[r][v] = fused(ctx.writer, acc.dtype, width, factor, other, table[r][v])
    parts = tuple(tuple(row) for row in table)
    return Tile(acc.dtype, shape, parts, columns > 1, ctx.writer.depth)


def _element(ctx: Context, a: Tile, r: int, k: int, width: int) -> str:
    """a[r, k] in every lane."""
    writer = ctx.writer
    if not a.wide:
        return splat(writer, a.row(r)[0], spell(a.dtype), width, a.depth)
    own = width_of(a.shape[1], ctx.target.lanes)
    vector, lane, kind = a.row(r)[k // own], k % own, spell(a.dtype, own)
    if width == 1:
        return writer.op(f"extractelement {kind} {vector}, i64 {lane}")
    picks = f"splat (i32 {lane})"
    return writer.hoist(
        f"shufflevector {kind} {vector}, {kind} poison, <{width} x i32> {picks}", a.depth
    )
