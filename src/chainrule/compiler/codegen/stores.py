"""`Store`: scalars, contiguous vectors, transposed blocks and scatters; set or accumulate.

Imports kernel and base.

Example: `store v y[b + j] strides (0, 1) valid (1, j.n)` becomes `llvm.masked.store` per vector.
"""

from __future__ import annotations

from chainrule.base.dtypes import DType, bool_
from chainrule.base.errors import CompileError
from chainrule.compiler.codegen import masks
from chainrule.compiler.codegen.addresses import pointer, resolve
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.loads import lane_addresses, vector_load
from chainrule.compiler.codegen.masks import Validity
from chainrule.compiler.codegen.primitives import arithmetic
from chainrule.compiler.codegen.tiles import (
    Tile,
    operand,
    spell,
    spell_memory,
    suffix,
    vectors_of,
    width_of,
)
from chainrule.compiler.codegen.transpose import DEPTH, to_columns
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Store


def store(ctx: Context, node: Store) -> None:
    """Write the tile to memory."""
    tile = ctx.tiles[node.tile]
    if tile.dtype is not ctx.pointers[node.buffer][1]:
        raise CompileError(f"{node.tile} is {tile.dtype}, {node.buffer} is another dtype")
    which = masks.validity(ctx, node.shape, node.valid)
    strides = (resolve(ctx, node.strides[0]), resolve(ctx, node.strides[1]))
    rows, columns = node.shape
    if columns == 1:
        _scalars(ctx, node, tile, which, strides[0])
    elif strides[1].constant == 1:
        _contiguous(ctx, node, tile, which, strides[0])
    elif strides[0].constant == 1 and rows > 1 and columns > 2 and node.mode == "set":
        _transposed(ctx, node, tile, which, strides[1])
    else:
        _scattered(ctx, node, tile, which, strides)


def _scalars(ctx: Context, node: Store, tile: Tile, which: Validity, stride: Index) -> None:
    writer = ctx.writer
    at = resolve(ctx, node.at)
    memory, align = spell_memory(tile.dtype), tile.dtype.itemsize
    for r in range(node.shape[0]):
        condition = masks.element(writer, which, r)
        if condition.const == 0:
            continue
        value = operand(writer, tile, r, 0, 1)
        address = pointer(ctx, node.buffer, at, stride * r)
        if tile.dtype is bool_:
            value = writer.op(f"zext i1 {value} to i8")
        after = writer.fresh("stored")
        if condition.const is None:
            inside = writer.fresh("store")
            writer.do(f"br i1 {condition.text}, label %{inside}, label %{after}")
            writer.begin_block(inside)
        if node.mode == "add":
            old = writer.op(f"load {memory}, ptr {address}, align {align}")
            value = arithmetic(writer, "add", tile.dtype, 1, (old, value))
        writer.do(f"store {memory} {value}, ptr {address}, align {align}")
        if condition.const is None:
            writer.do(f"br label %{after}")
            writer.begin_block(after)


def _contiguous(ctx: Context, node: Store, tile: Tile, which: Validity, stride: Index) -> None:
    width = width_of(node.shape[1], ctx.target.lanes)
    at = resolve(ctx, node.at)
    for r in range(node.shape[0]):
        for v in range(vectors_of(node.shape[1], ctx.target.lanes)):
            mask = masks.vector(ctx.writer, which, r, v * width, width)
            value = operand(ctx.writer, tile, r, v, width)
            address = pointer(ctx, node.buffer, at, stride * r + v * width)
            if node.mode == "add":
                old = vector_load(ctx, address, tile.dtype, width, mask)
                value = arithmetic(ctx.writer, "add", tile.dtype, width, (old, value))
            vector_store(ctx, value, address, tile.dtype, width, mask)


def vector_store(
    ctx: Context, value: str, address: str, dtype: DType, width: int, mask: str | None
) -> None:
    """Write `width` contiguous elements where the mask is true."""
    writer = ctx.writer
    kind = spell_memory(dtype, width)
    if dtype is bool_:
        value = writer.op(f"zext {spell(dtype, width)} {value} to {kind}")
    if mask is None:
        writer.do(f"store {kind} {value}, ptr {address}, align {dtype.itemsize}")
        return
    memory = "i8" if dtype is bool_ else suffix(dtype)
    bits = f"<{width} x i1>"
    name = f"llvm.masked.store.v{width}{memory}.p0"
    writer.declare("void", name, (kind, "ptr", "i32", bits))
    writer.do(
        f"call void @{name}({kind} {value}, ptr {address}, i32 {dtype.itemsize}, {bits} {mask})"
    )


def _transposed(ctx: Context, node: Store, tile: Tile, which: Validity, stride: Index) -> None:
    """Columns are contiguous in memory: turn the tile block by block and write its columns."""
    rows, columns = node.shape
    width = width_of(columns, ctx.target.lanes)
    turned = which.swapped()
    at = resolve(ctx, node.at)
    for first_row in range(0, rows, DEPTH):
        for v in range(vectors_of(columns, ctx.target.lanes)):
            block = [
                operand(ctx.writer, tile, r, v, width) if r < rows else "poison"
                for r in range(first_row, first_row + DEPTH)
            ]
            vectors = to_columns(ctx.writer, block, spell(tile.dtype), width)
            for column, vector in enumerate(vectors[: columns - v * width], v * width):
                mask = masks.vector(ctx.writer, turned, column, first_row, DEPTH)
                address = pointer(ctx, node.buffer, at, stride * column + first_row)
                vector_store(ctx, vector, address, tile.dtype, DEPTH, mask)


def _scattered(
    ctx: Context, node: Store, tile: Tile, which: Validity, strides: tuple[Index, Index]
) -> None:
    writer, dtype = ctx.writer, tile.dtype
    width = width_of(node.shape[1], ctx.target.lanes)
    kind, bits = spell_memory(dtype, width), f"<{width} x i1>"
    memory = "i8" if dtype is bool_ else suffix(dtype)
    at = resolve(ctx, node.at)
    tail = ((f"<{width} x ptr>", "i32", bits), f"i32 {dtype.itemsize}, {bits}")
    for r in range(node.shape[0]):
        base = pointer(ctx, node.buffer, at, strides[0] * r)
        for v in range(vectors_of(node.shape[1], ctx.target.lanes)):
            mask = masks.vector(writer, which, r, v * width, width) or "splat (i1 true)"
            value = operand(writer, tile, r, v, width)
            to = lane_addresses(ctx, base, dtype, (r, v, width), strides[1], None)
            if node.mode == "add":
                name = f"llvm.masked.gather.v{width}{memory}.v{width}p0"
                writer.declare(kind, name, (*tail[0], kind))
                old = writer.op(
                    f"call {kind} @{name}(<{width} x ptr> {to}, {tail[1]} {mask}, {kind} poison)"
                )
                value = arithmetic(writer, "add", dtype, width, (old, value))
            if dtype is bool_:
                value = writer.op(f"zext {spell(dtype, width)} {value} to {kind}")
            name = f"llvm.masked.scatter.v{width}{memory}.v{width}p0"
            writer.declare("void", name, (kind, *tail[0]))
            writer.do(f"call void @{name}({kind} {value}, <{width} x ptr> {to}, {tail[1]} {mask})")
