"""Transposition of square blocks in registers, by shuffles of two vectors at a time.

Groups of four lanes are interleaved first (unpack on x86, zip on ARM), then whole groups are
exchanged (128-bit lane shuffles): each step is one instruction. Imports nothing but the writer.

Example: four vectors <a0 a1 a2 a3>, <b0 …>, <c0 …>, <d0 …> become <a0 b0 c0 d0>, <a1 b1 c1 d1>, ….
"""

from __future__ import annotations

from chainrule.compiler.codegen.writer import Writer


def transpose(writer: Writer, rows: list[str], kind: str) -> list[str]:
    """The n columns of n vectors of n lanes of LLVM type `kind`; n a power of two."""
    n = len(rows)
    if n == 1:
        return rows
    if n == 2:
        return _unzip(writer, rows, kind, 2, 1)
    quads: list[list[str]] = [[], [], [], []]
    for first in range(0, n, 4):
        for column, value in enumerate(_quad(writer, rows[first : first + 4], kind, n)):
            quads[column].append(value)
    out = [""] * n
    for column, vectors in enumerate(quads):
        out[column::4] = _unzip(writer, vectors, kind, n, 4)
    return out


def _quad(writer: Writer, rows: list[str], kind: str, n: int) -> list[str]:
    """Transpose four vectors inside each group of four lanes."""
    a, b, c, d = rows
    bases = range(0, n, 4)
    low = [lane for at in bases for lane in (at, at + n, at + 1, at + n + 1)]
    high = [lane + 2 for lane in low]
    first = [lane for at in bases for lane in (at, at + 1, at + n, at + n + 1)]
    second = [lane + 2 for lane in first]
    ab, cd = shuffle(writer, a, b, kind, n, low), shuffle(writer, c, d, kind, n, low)
    ab2, cd2 = shuffle(writer, a, b, kind, n, high), shuffle(writer, c, d, kind, n, high)
    return [
        shuffle(writer, *pair, kind, n, lanes)
        for pair in ((ab, cd), (ab2, cd2))
        for lanes in (first, second)
    ]


def _unzip(writer: Writer, vectors: list[str], kind: str, n: int, group: int) -> list[str]:
    """Transpose m vectors of m groups of lanes: split even from odd groups, again and again."""
    if len(vectors) == 1:
        return vectors
    even = [lane for lane in range(2 * n) if not lane // group % 2]
    odd = [lane for lane in range(2 * n) if lane // group % 2]
    pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
    out = [""] * len(vectors)
    for side, lanes in enumerate((even, odd)):
        halves = [shuffle(writer, a, b, kind, n, lanes) for a, b in pairs]
        out[side::2] = _unzip(writer, halves, kind, n, group)
    return out


def shuffle(writer: Writer, a: str, b: str, kind: str, width: int, lanes: list[int]) -> str:
    """Lanes picked from the 2·width lanes of a and b."""
    picks = ", ".join(f"i32 {lane}" for lane in lanes)
    vector = f"<{width} x {kind}>"
    return writer.op(f"shufflevector {vector} {a}, {vector} {b}, <{len(lanes)} x i32> <{picks}>")
