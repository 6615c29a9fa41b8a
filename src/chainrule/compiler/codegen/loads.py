"""`Load`: scalars, contiguous vectors, register transposes and gathers, with masks where needed.

Imports kernel and base.

Example: `load x[b + j] (1, 32) strides (0, 1) valid (1, j.n)` becomes two `llvm.masked.load`.
"""

from __future__ import annotations

from chainrule.base.dtypes import DType, int64
from chainrule.compiler.codegen import masks
from chainrule.compiler.codegen.addresses import pointer, resolve, value_of
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.masks import Validity
from chainrule.compiler.codegen.tiles import (
    Tile,
    iota,
    literal,
    operand,
    spell,
    spell_memory,
    splat,
    suffix,
    vectors_of,
    width_of,
)
from chainrule.compiler.codegen.transpose import DEPTH, to_rows
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Load


def load(ctx: Context, node: Load) -> Tile:
    """The loaded tile."""
    dtype = ctx.pointers[node.buffer][1]
    which = masks.validity(ctx, node.shape, node.valid)
    strides = (resolve(ctx, node.strides[0]), resolve(ctx, node.strides[1]))
    lanes = ctx.tiles[node.lanes] if node.lanes else None
    rows, columns = node.shape
    wide_lanes = lanes is not None and lanes.wide
    if not wide_lanes and (columns == 1 or strides[1].constant == 0):
        parts, wide = _scalars(ctx, node, dtype, which, strides[0], lanes)
        if wide:
            parts = _masked_splats(ctx, node, dtype, which, parts)
    elif not wide_lanes and strides[1].constant == 1:
        parts, wide = _contiguous(ctx, node, dtype, which, strides[0], lanes), True
    elif lanes is None and strides[0].constant == 1 and rows > 1 and columns > 2:
        parts, wide = _transposed(ctx, node, dtype, which, strides[1]), True
    else:
        parts, wide = _gathered(ctx, node, dtype, which, strides, lanes), True
    return Tile(dtype, node.shape, parts, wide, ctx.writer.depth)


def _row_address(
    ctx: Context, node: Load, at: tuple[Index, Index], lanes: Tile | None, r: int
) -> str:
    """The address of `at` (common part, row's part), displaced by the row's own lane offset."""
    address = pointer(ctx, node.buffer, *at)
    if lanes is None:
        return address
    offset, offset_kind = _signed(ctx, lanes, lanes.row(r)[0], 1)
    kind = spell_memory(ctx.pointers[node.buffer][1])
    return ctx.writer.op(f"getelementptr {kind}, ptr {address}, {offset_kind} {offset}")


def _signed(ctx: Context, lanes: Tile, value: str, width: int) -> tuple[str, str]:
    """An offset that address arithmetic may sign-extend, and its type."""
    kind = spell(lanes.dtype, width)
    if lanes.dtype.is_signed:
        return value, kind
    wide = spell(int64, width)
    return ctx.writer.op(f"zext {kind} {value} to {wide}"), wide


def _distinct_rows(node: Load, which: Validity, stride: Index, lanes: Tile | None) -> int:
    """1 if all rows are the same memory and equally valid, else their number."""
    indirect = lanes is not None and len(lanes.parts) > 1
    same = stride.constant == 0 and which.rows.const == node.shape[0] and not indirect
    return 1 if same else node.shape[0]


def _scalars(
    ctx: Context, node: Load, dtype: DType, which: Validity, stride: Index, lanes: Tile | None
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """One number per row; also whether its columns must still be masked one by one."""
    at = resolve(ctx, node.at)
    parts = []
    for r in range(_distinct_rows(node, which, stride, lanes)):
        condition = masks.element(ctx.writer, which, r)
        if condition.const == 0:
            parts.append((literal(node.fill, dtype),))
            continue
        address = _row_address(ctx, node, (at, stride * r), lanes, r)
        parts.append((_scalar(ctx, address, dtype, condition.text, node.fill),))
    return tuple(parts), which.columns.const != node.shape[1] and node.shape[1] > 1


def _scalar(ctx: Context, address: str, dtype: DType, condition: str, fill: float) -> str:
    """One number, or `fill` without touching memory if the condition fails."""
    writer = ctx.writer
    if condition != "true":
        # the argument slots are always readable: no branch is needed
        address = writer.op(f"select i1 {condition}, ptr {address}, ptr %args")
    value = writer.op(f"load {spell_memory(dtype)}, ptr {address}, align {dtype.itemsize}")
    if dtype.kind == "bool":
        value = writer.op(f"icmp ne i8 {value}, 0")
    if condition == "true":
        return value
    kind = spell(dtype)
    return writer.op(f"select i1 {condition}, {kind} {value}, {kind} {literal(fill, dtype)}")


def _masked_splats(
    ctx: Context, node: Load, dtype: DType, which: Validity, rows: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    """Splat each row's number and put `fill` into its invalid columns."""
    lanes = ctx.target.lanes
    width, count = width_of(node.shape[1], lanes), vectors_of(node.shape[1], lanes)
    kind, fill = spell(dtype, width), literal(node.fill, dtype, width)
    parts = []
    for r, (value,) in enumerate(rows):
        row = []
        for v in range(count):
            vector = splat(ctx.writer, value, spell(dtype), width, ctx.writer.depth)
            mask = masks.vector(ctx.writer, which, r, v * width, width)
            if mask is not None:
                pick = f"select <{width} x i1> {mask}, {kind} {vector}, {kind} {fill}"
                vector = ctx.writer.op(pick)
            row.append(vector)
        parts.append(tuple(row))
    return tuple(parts)


def _contiguous(
    ctx: Context, node: Load, dtype: DType, which: Validity, stride: Index, lanes: Tile | None
) -> tuple[tuple[str, ...], ...]:
    width = width_of(node.shape[1], ctx.target.lanes)
    count = vectors_of(node.shape[1], ctx.target.lanes)
    at = resolve(ctx, node.at)
    parts = []
    for r in range(_distinct_rows(node, which, stride, lanes)):
        row = []
        for v in range(count):
            mask = masks.vector(ctx.writer, which, r, v * width, width)
            address = _row_address(ctx, node, (at, stride * r + v * width), lanes, r)
            row.append(vector_load(ctx, address, dtype, width, mask, node.fill))
        parts.append(tuple(row))
    return tuple(parts)


def vector_load(
    ctx: Context, address: str, dtype: DType, width: int, mask: str | None, fill: float = 0.0
) -> str:
    """`width` contiguous elements, `fill` where the mask is false; bool becomes i1."""
    if mask is not None:
        return _masked(ctx, "load", ("ptr", address), dtype, width, mask, fill)
    kind = spell_memory(dtype, width)
    value = ctx.writer.op(f"load {kind}, ptr {address}, align {dtype.itemsize}")
    return _as_value(ctx, value, dtype, kind)


def _masked(
    ctx: Context,
    name: str,
    at: tuple[str, str],
    dtype: DType,
    width: int,
    mask: str,
    fill: float,
) -> str:
    """A masked load or gather from `at`, a type and a value."""
    memory = "i8" if dtype.kind == "bool" else suffix(dtype)
    kind, places = spell_memory(dtype, width), "p0" if name == "load" else f"v{width}p0"
    rest = f"splat (i8 {int(fill)})" if dtype.kind == "bool" else literal(fill, dtype, width)
    value = ctx.writer.call(
        kind,
        f"llvm.masked.{name}.v{width}{memory}.{places}",
        (at, ("i32", str(dtype.itemsize)), (f"<{width} x i1>", mask), (kind, rest)),
    )
    return _as_value(ctx, value, dtype, kind)


def _as_value(ctx: Context, loaded: str, dtype: DType, kind: str) -> str:
    """A bool is one byte in memory and one bit in registers."""
    if dtype.kind == "bool":
        return ctx.writer.op(f"icmp ne {kind} {loaded}, zeroinitializer")
    return loaded


def _transposed(
    ctx: Context, node: Load, dtype: DType, which: Validity, stride: Index
) -> tuple[tuple[str, ...], ...]:
    """Columns are contiguous in memory: load them as short vectors, turn them block by block."""
    rows, columns = node.shape
    width = width_of(columns, ctx.target.lanes)
    turned = which.swapped()
    at = resolve(ctx, node.at)
    table: list[list[str]] = [[] for _ in range(rows)]
    for first_row in range(0, rows, DEPTH):
        for first in range(0, columns, width):
            block = []
            for column in range(first, first + width):
                if column >= columns:
                    block.append("poison")
                    continue
                mask = masks.vector(ctx.writer, turned, column, first_row, DEPTH)
                address = pointer(ctx, node.buffer, at, stride * column + first_row)
                block.append(vector_load(ctx, address, dtype, DEPTH, mask, node.fill))
            vectors = to_rows(ctx.writer, block, spell(dtype))
            for r, vector in enumerate(vectors[: rows - first_row]):
                table[first_row + r].append(vector)
    return tuple(tuple(row) for row in table)


def _gathered(
    ctx: Context,
    node: Load,
    dtype: DType,
    which: Validity,
    strides: tuple[Index, Index],
    lanes: Tile | None,
) -> tuple[tuple[str, ...], ...]:
    width = width_of(node.shape[1], ctx.target.lanes)
    count = vectors_of(node.shape[1], ctx.target.lanes)
    at = resolve(ctx, node.at)
    parts = []
    for r in range(_distinct_rows(node, which, strides[0], lanes)):
        base = pointer(ctx, node.buffer, at, strides[0] * r)
        row = []
        for v in range(count):
            mask = masks.vector(ctx.writer, which, r, v * width, width)
            addresses = lane_addresses(ctx, base, dtype, (r, v, width), strides[1], lanes)
            each, mask = (f"<{width} x ptr>", addresses), mask or "splat (i1 true)"
            row.append(_masked(ctx, "gather", each, dtype, width, mask, node.fill))
        parts.append(tuple(row))
    return tuple(parts)


def lane_addresses(
    ctx: Context,
    base: str,
    dtype: DType,
    position: tuple[int, int, int],
    stride: Index,
    lanes: Tile | None,
) -> str:
    """Addresses base + lanes[r, c] + c·stride of vector v of row r; position is (r, v, width)."""
    r, v, width = position
    writer = ctx.writer
    offsets, kind = "", f"<{width} x i64>"
    if stride.constant != 0:
        step = value_of(ctx, stride)
        wide = splat(writer, step.text, "i64", width, step.depth)
        numbers = iota(width, "i64", v * width)
        offsets = writer.hoist(f"mul {kind} {numbers}, {wide}", step.depth)
    if lanes is not None:
        own, own_kind = _signed(ctx, lanes, operand(writer, lanes, r, v, width), width)
        if offsets:
            if own_kind != kind:
                own = writer.op(f"sext {own_kind} {own} to {kind}")
            offsets = writer.op(f"add {kind} {offsets}, {own}")
        else:
            offsets, kind = own, own_kind
    offsets = offsets or "zeroinitializer"
    return writer.op(f"getelementptr {spell_memory(dtype)}, ptr {base}, {kind} {offsets}")
