"""Transposition in registers, four rows at a time.

A block of 4 rows by n columns, whose columns are contiguous in memory, moves as n short vectors of
4. They are joined into four wide vectors (lane inserts) and interleaved inside each group of four
lanes (unpack on x86, zip on ARM): 8 shuffles, because wide ones are what LLVM is slow to compile.
Imports nothing but the writer.

Example: columns <a0 a1 a2 a3>, <b0 …>, <c0 …>, <d0 …> become rows <a0 b0 c0 d0>, <a1 b1 c1 d1>, ….
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.codegen.writer import Writer

DEPTH = 4  # rows of a block


def to_rows(writer: Writer, columns: Sequence[str], kind: str) -> list[str]:
    """Four rows of n lanes from n columns of four lanes of LLVM type `kind`; n is 4, 8 or 16."""
    n = len(columns)
    joined = [_join(writer, list(columns[i::4]), kind, DEPTH) for i in range(4)]
    return _interleave(writer, joined, kind, n)


def to_columns(writer: Writer, rows: Sequence[str], kind: str, n: int) -> list[str]:
    """n columns of four lanes from four rows of n lanes: the inverse of `to_rows`."""
    groups = _interleave(writer, rows, kind, n)
    vector = f"<{n} x {kind}>"
    out = []
    for column in range(n):
        first = column // 4 * 4
        if n == 4:
            out.append(groups[column])
            continue
        lanes = ", ".join(f"i32 {first + lane}" for lane in range(DEPTH))
        source = groups[column % 4]
        out.append(
            writer.op(f"shufflevector {vector} {source}, {vector} poison, <4 x i32> <{lanes}>")
        )
    return out


def _join(writer: Writer, parts: list[str], kind: str, width: int) -> str:
    """The concatenation of vectors of `width` lanes."""
    while len(parts) > 1:
        lanes = list(range(2 * width))
        parts = [
            _shuffle(writer, a, b, kind, width, lanes)
            for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
        width *= 2
    return parts[0]


def _interleave(writer: Writer, rows: Sequence[str], kind: str, n: int) -> list[str]:
    """Transpose the 4 × 4 block that four vectors form in each group of four lanes."""
    a, b, c, d = rows
    bases = range(0, n, 4)
    low = [lane for at in bases for lane in (at, at + n, at + 1, at + n + 1)]
    high = [lane + 2 for lane in low]
    first = [lane for at in bases for lane in (at, at + 1, at + n, at + n + 1)]
    second = [lane + 2 for lane in first]
    out = []
    for lanes in (low, high):
        ab = _shuffle(writer, a, b, kind, n, lanes)
        cd = _shuffle(writer, c, d, kind, n, lanes)
        out += [_shuffle(writer, ab, cd, kind, n, picks) for picks in (first, second)]
    return out


def _shuffle(writer: Writer, a: str, b: str, kind: str, width: int, lanes: Sequence[int]) -> str:
    """Lanes picked from the 2·width lanes of a and b."""
    picks = ", ".join(f"i32 {lane}" for lane in lanes)
    vector = f"<{width} x {kind}>"
    return writer.op(f"shufflevector {vector} {a}, {vector} {b}, <{len(lanes)} x i32> <{picks}>")
