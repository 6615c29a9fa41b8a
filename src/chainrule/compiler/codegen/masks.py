"""Masks: the valid elements of a tile, as vector masks and scalar conditions.

Counts that are constants and cover the tile yield no mask at all. Imports kernel and base.

Example: a (1, 40) tile with valid columns `j.n` and 16 lanes has masks iota < n, iota + 16 < n,
and iota + 32 < min(n, 40); without a count only the third vector has one, a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.compiler.codegen import integers
from chainrule.compiler.codegen.addresses import evaluate
from chainrule.compiler.codegen.context import Context
from chainrule.compiler.codegen.tiles import iota
from chainrule.compiler.codegen.writer import Value, Writer, constant
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Shape


@dataclass(frozen=True, slots=True)
class Validity:
    """The numbers of valid rows and columns of a tile; at most its shape."""

    rows: Value
    columns: Value
    shape: Shape

    @property
    def whole(self) -> bool:
        """Whether every element is known to be valid."""
        return (self.rows.const, self.columns.const) == self.shape

    def swapped(self) -> Validity:
        """The same for the transposed tile."""
        return Validity(self.columns, self.rows, (self.shape[1], self.shape[0]))


def validity(ctx: Context, shape: Shape, valid: tuple[Index | None, Index | None]) -> Validity:
    """Evaluate the counts of a `Load` or `Store`, clamped to 0 ≤ count ≤ size."""
    counts = []
    for size, index in zip(shape, valid, strict=True):
        count = constant(size)
        if index is not None:
            given = evaluate(ctx, index)
            count = integers.least(ctx.writer, given, count)
            count = integers.greatest(ctx.writer, count, constant(0))
        counts.append(count)
    return Validity(counts[0], counts[1], shape)


def element(writer: Writer, which: Validity, row: int) -> Value:
    """The i1 condition that the first element of a row is valid."""
    in_row = integers.less(writer, constant(row), which.rows)
    in_column = integers.less(writer, constant(0), which.columns)
    if 0 in (in_row.const, in_column.const):
        return Value("false", 0, 0)
    if in_row.const == 1:
        return in_column
    if in_column.const == 1:
        return in_row
    depth = max(in_row.depth, in_column.depth)
    return Value(writer.hoist(f"and i1 {in_row.text}, {in_column.text}", depth), depth)


def vector(writer: Writer, which: Validity, row: int, first: int, width: int) -> str | None:
    """The mask of columns first … first + width - 1 of a row, or None if all are valid.

    Lanes past the tile's last column are invalid.
    """
    in_row = integers.less(writer, constant(row), which.rows)
    count = integers.choose(writer, in_row, which.columns, constant(0))
    if count.const is not None:
        if count.const >= first + width:
            return None
        bits = ("true" if first + lane < count.const else "false" for lane in range(width))
        return "<" + ", ".join(f"i1 {bit}" for bit in bits) + ">"
    narrow = writer.hoist(f"trunc i64 {count.text} to i32", count.depth)
    kind = f"<{width} x i32>"
    head = writer.hoist(f"insertelement {kind} poison, i32 {narrow}, i64 0", count.depth)
    limit = writer.hoist(
        f"shufflevector {kind} {head}, {kind} poison, {kind} zeroinitializer", count.depth
    )
    lanes = iota(width, "i32", first)
    mask = writer.hoist(f"icmp slt {kind} {lanes}, {limit}", count.depth)
    if width < 16:
        return mask
    # LLVM repeats comparisons next to their uses, inside loops; AVX-512 has registers for masks
    return writer.hoist(f"freeze <{width} x i1> {mask}", count.depth)
