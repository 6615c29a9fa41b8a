"""Tiles in registers: how an (R, C) tile is held, and the LLVM spelling of types and constants.

A wide tile holds R rows of ceil(C / width) vectors; lanes at and beyond C are undefined. A tile
whose rows are each a single number (C = 1, or a broadcast one) holds scalars, which become splats
only where they meet a wide tile. A tile whose rows are all equal holds one row. Imports kernel
and base.

Example: with 16 lanes a (2, 40) float32 tile is 2 rows of 3 values of type `<16 x float>`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from chainrule.base.dtypes import DType
from chainrule.compiler.codegen.writer import Writer
from chainrule.kernel.ir import Shape

_SCALAR = {
    "bool": "i1",
    "uint8": "i8",
    "int32": "i32",
    "int64": "i64",
    "float32": "float",
    "float64": "double",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """SSA values of a tile: `parts[r][v]`, one row if all rows are equal, one scalar if not wide.

    `depth` is the scope that defines the values.
    """

    dtype: DType
    shape: Shape
    parts: tuple[tuple[str, ...], ...]
    wide: bool
    depth: int

    def row(self, r: int) -> tuple[str, ...]:
        """The values of row r."""
        return self.parts[r if len(self.parts) > 1 else 0]


def spell(dtype: DType, width: int = 1) -> str:
    """LLVM's type of `width` values in a register: `float` or `<16 x float>`; bool is i1."""
    scalar = _SCALAR[dtype.name]
    return scalar if width == 1 else f"<{width} x {scalar}>"


def spell_memory(dtype: DType, width: int = 1) -> str:
    """As `spell`, in memory: bool is i8."""
    if dtype.kind == "bool":
        return "i8" if width == 1 else f"<{width} x i8>"
    return spell(dtype, width)


def suffix(dtype: DType, width: int = 1) -> str:
    """The type suffix of overloaded intrinsics: `f32` or `v16f32`."""
    code = {"float": "f32", "double": "f64"}.get(_SCALAR[dtype.name], _SCALAR[dtype.name])
    return code if width == 1 else f"v{width}{code}"


def width_of(columns: int, lanes: int) -> int:
    """Lanes of each vector of a tile that many columns wide: a power of two, at most `lanes`."""
    return min(lanes, 1 << (columns - 1).bit_length())


def vectors_of(columns: int, lanes: int) -> int:
    """The number of vectors in one row."""
    width = width_of(columns, lanes)
    return -(-columns // width)


def literal(value: float, dtype: DType, width: int = 1) -> str:
    """A constant operand, without its type: a number, or its splat over `width` lanes."""
    if dtype.kind == "float":
        exact = struct.pack(">d", float(dtype.numpy.type(value)))
        text = "0x" + exact.hex().upper()
    elif dtype.kind == "bool":
        text = "true" if value else "false"
    else:
        text = str(int(dtype.numpy.type(value)))
    return text if width == 1 else f"splat ({spell(dtype)} {text})"


def iota(width: int, kind: str = "i64", start: int = 0) -> str:
    """The constant vector <start, start + 1, …>, without its type."""
    return "<" + ", ".join(f"{kind} {start + lane}" for lane in range(width)) + ">"


def is_literal(text: str) -> bool:
    """Whether an operand is a constant rather than a name."""
    return not text.startswith("%")


def splat(writer: Writer, text: str, kind: str, width: int, depth: int) -> str:
    """A scalar operand of LLVM type `kind` repeated over `width` lanes, shared and hoisted."""
    if width == 1:
        return text
    if is_literal(text):
        return f"splat ({kind} {text})"
    vector = f"<{width} x {kind}>"
    first = writer.hoist(f"insertelement {vector} poison, {kind} {text}, i64 0", depth)
    return writer.hoist(
        f"shufflevector {vector} {first}, {vector} poison, <{width} x i32> zeroinitializer", depth
    )


def operand(writer: Writer, tile: Tile, r: int, v: int, width: int) -> str:
    """The operand for row r, vector v of an operation `width` lanes wide (1: scalars)."""
    values = tile.row(r)
    if tile.wide:
        return values[v]
    return splat(writer, values[0], spell(tile.dtype), width, tile.depth)


def broadcast(writer: Writer, tile: Tile, shape: Shape, lanes: int) -> Tile:
    """The same tile with every row and vector of `shape` spelled out, as a loop carries it."""
    rows, columns = shape
    width = width_of(columns, lanes)
    count = vectors_of(columns, lanes)
    parts = tuple(
        tuple(operand(writer, tile, r, v, width) for v in range(count)) for r in range(rows)
    )
    return Tile(tile.dtype, shape, parts, columns > 1, writer.depth)
