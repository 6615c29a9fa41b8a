"""The Philox4x32-10 random numbers as vector instructions on `<lanes x i64>`.

Imports math_vector only.

Example: `emit_philox(lines, ["%k0", "%k1", "%c0", "%c1", "%c2", "%c3"], 0)` returns the first word.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.codegen.math_vector import Lines

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def emit_philox(lines: Lines, ins: Sequence[str], word: int) -> str:
    """Word 0..3 of Philox4x32-10 for key (k0, k1) and counter (c0, c1, c2, c3), exactly.

    Operands and result are `<lanes x i64>` that hold unsigned 32-bit numbers; higher bits of the
    operands are ignored. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3.
    """
    kind = f"<{lines.lanes} x i64>"

    def emit(operation: str, a: str, b: str) -> str:
        name = lines.fresh()
        lines.line(f"{name} = {operation} {kind} {a}, {b}")
        return name

    def number(value: int) -> str:
        return f"splat (i64 {value})"

    low = number(0xFFFFFFFF)
    k0, k1, c0, c1, c2, c3 = (emit("and", value, low) for value in ins)
    for _ in range(_ROUNDS):
        # the code generator sees that upper halves are zero and picks 32 × 32 → 64 bit products
        p0 = emit("mul", c0, number(_MULTIPLIERS[0]))
        p1 = emit("mul", c2, number(_MULTIPLIERS[1]))
        high0, high1 = (emit("lshr", p, number(32)) for p in (p0, p1))
        c0, c2 = (
            emit("xor", emit("xor", high1, c1), k0),
            emit("xor", emit("xor", high0, c3), k1),
        )
        c1, c3 = emit("and", p1, low), emit("and", p0, low)
        k0 = emit("and", emit("add", k0, number(_WEYL[0])), low)
        k1 = emit("and", emit("add", k1, number(_WEYL[1])), low)
    return (c0, c1, c2, c3)[word]
