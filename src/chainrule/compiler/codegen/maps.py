"""`Map`: one primitive over all values of a tile, row by row and vector by vector.

Transcendental functions and Philox exist as vector code only; tiles of single numbers per row are
packed into vectors for them and unpacked again. Imports kernel and base.

Example: exp of an (8, 1) tile packs eight scalars into one vector, calls `exp`, extracts eight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.base.dtypes import DType, bool_, int64
from chainrule.base.errors import CompileError
from chainrule.compiler.codegen import primitives
from chainrule.compiler.codegen.addresses import evaluate
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.math import MATH, emit_philox
from chainrule.compiler.codegen.tiles import (
    Tile,
    iota,
    literal,
    operand,
    spell,
    splat,
    vectors_of,
    width_of,
)
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Map


@dataclass(frozen=True, slots=True)
class VectorLines:
    """The current position as `math_vector.Lines`, for vectors of `lanes` elements."""

    ctx: Context
    lanes: int

    @property
    def avx512(self) -> bool:
        """Whether AVX-512's own instructions may be used."""
        return self.ctx.target.lanes == 16

    @property
    def subnormal(self) -> bool:
        """Whether subnormal numbers are kept where the code runs."""
        return self.ctx.target.subnormal

    def fresh(self) -> str:
        """A new SSA name with its `%`."""
        return "%" + self.ctx.writer.fresh()

    def line(self, text: str) -> None:
        """Append one instruction."""
        self.ctx.writer.do(text)

    def declare(self, text: str) -> None:
        """Remember a `declare` line."""
        self.ctx.writer.declarations.add(text)


def map_tile(ctx: Context, node: Map) -> Tile:
    """The tile that a `Map` makes."""
    dtype, shape = ctx.types[node.out]
    if node.fn in ("const", "index", "iota"):
        return _source(ctx, node, dtype)
    ins = [ctx.tiles[name] for name in node.ins]
    wide = any(tile.wide for tile in ins)
    rows = max(len(tile.parts) for tile in ins)
    width = width_of(shape[1], ctx.target.lanes) if wide else 1
    count = vectors_of(shape[1], ctx.target.lanes) if wide else 1
    grouped = [
        [operand(ctx.writer, tile, r, v, width) for tile in ins]
        for r in range(rows)
        for v in range(count)
    ]
    dtypes = [tile.dtype for tile in ins]
    if node.fn == "philox" or (node.fn in MATH and not primitives.handles(node.fn)):
        out = _vectorised(ctx, node, dtypes, width, grouped)
    else:
        out = [_simple(ctx, node, dtypes, dtype, width, args) for args in grouped]
    parts = tuple(tuple(out[r * count : (r + 1) * count]) for r in range(rows))
    return Tile(dtype, shape, parts, wide, ctx.writer.depth)


def _source(ctx: Context, node: Map, dtype: DType) -> Tile:
    """Tiles made from nothing: a constant, an index, positions."""
    if node.fn == "const":
        assert isinstance(node.attr, tuple)
        return Tile(dtype, (1, 1), ((literal(node.attr[0], dtype),),), wide=False, depth=0)
    if node.fn == "index":
        assert isinstance(node.attr, Index)
        value = evaluate(ctx, node.attr)
        return Tile(int64, (1, 1), ((value.text,),), wide=False, depth=value.depth)
    assert isinstance(node.attr, tuple)
    rows, columns, axis = node.attr
    if axis == 0:
        numbers = tuple((str(r),) for r in range(rows))
        return Tile(int64, (rows, columns), numbers, wide=False, depth=0)
    if columns == 1:
        return Tile(int64, (rows, columns), (("0",),), wide=False, depth=0)
    width = width_of(columns, ctx.target.lanes)
    vectors = tuple(
        iota(width, "i64", v * width) for v in range(vectors_of(columns, ctx.target.lanes))
    )
    return Tile(int64, (rows, columns), (vectors,), wide=True, depth=0)


def _simple(
    ctx: Context, node: Map, dtypes: list[DType], out: DType, width: int, args: list[str]
) -> str:
    writer = ctx.writer
    if node.fn == "cast":
        return primitives.cast(writer, dtypes[0], out, width, args[0])
    if node.fn == "select":
        if dtypes[0] is not bool_:
            raise CompileError(f"select needs a bool condition, {node.ins[0]} is {dtypes[0]}")
        return primitives.select(writer, out, width, args[0], args[1], args[2])
    return primitives.arithmetic(writer, node.fn, dtypes[-1], width, args)


def _vectorised(
    ctx: Context, node: Map, dtypes: list[DType], width: int, grouped: list[list[str]]
) -> list[str]:
    """Apply a function that exists for vectors; scalars are packed, `lanes` at a time."""
    if width > 1:
        return [_vector_call(ctx, node, dtypes, width, args) for args in grouped]
    out: list[str] = []
    for first in range(0, len(grouped), ctx.target.lanes):
        group = grouped[first : first + ctx.target.lanes]
        packed = max(4, width_of(len(group), ctx.target.lanes))
        args = [
            _pack(ctx, spell(dtype), packed, [args[position] for args in group])
            for position, dtype in enumerate(dtypes)
        ]
        result = _vector_call(ctx, node, dtypes, packed, args)
        kind = spell(ctx.types[node.out][0], packed)
        out += [
            ctx.writer.op(f"extractelement {kind} {result}, i64 {lane}")
            for lane in range(len(group))
        ]
    return out


def _pack(ctx: Context, kind: str, width: int, values: list[str]) -> str:
    if len(set(values)) == 1:
        return splat(ctx.writer, values[0], kind, width, ctx.writer.depth)
    vector = "poison"
    for lane, value in enumerate(values):
        vector = ctx.writer.op(
            f"insertelement <{width} x {kind}> {vector}, {kind} {value}, i64 {lane}"
        )
    return vector


def _vector_call(
    ctx: Context, node: Map, dtypes: list[DType], width: int, args: Sequence[str]
) -> str:
    lines = VectorLines(ctx, width)
    if node.fn == "philox":
        assert isinstance(node.attr, int)
        return emit_philox(lines, args, node.attr)
    return MATH[node.fn](lines, dtypes[-1].name, args)
