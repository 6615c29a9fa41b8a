"""The code size of a node: the instructions of one vector, counted by writing them once.

    x + y        →  3: the addition, and a load for each operand at most
    sin(x)       →  some 50: its reduction and its polynomial

The size of kernels is limited in this unit, since twice the code takes the code generator more than
twice as long. The counts are those of one machine, so that every machine fuses alike.
Example: `weight(node)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from chainrule.base.dtypes import DType
from chainrule.compiler.codegen import primitives
from chainrule.compiler.codegen.math import MATH, emit_philox
from chainrule.compiler.shared.kernel_writer import Writer
from chainrule.graph.node import Node
from chainrule.kernel.ir import Map as Statement
from chainrule.ops.record import Map, Reduce

MOST: Final = 1024  # of a kernel, times its passes: some 8,000 lines, a fifth of a second of LLVM
_REDUCTION: Final = 8  # one step, the mask at the end of a row, and the last vector's own sum
_GATHER: Final = 8
_WORDS: Final = 20  # of a random number: its key and its counter


def weight(node: Node) -> int:
    """Instructions for one vector of a node, with the loads of operands that others made."""
    lower, own = node.op.lower, len(node.inputs)
    if isinstance(lower, Reduce):
        return own + _REDUCTION
    if not isinstance(lower, Map):
        random = "random" in node.op.traits
        return own + (_WORDS + _counted("philox", "int64", 6) if random else _GATHER)
    writer = Writer("weight")
    lower.emit(writer, node, *(f"x{i}" for i in range(len(node.inputs))))
    dtype = _widest(node)
    statements = [s for s in writer.work().kernel.body if isinstance(s, Statement)]
    return own + sum([_counted(s.fn, dtype.name, len(s.ins)) for s in statements])


def _widest(node: Node) -> DType:
    """The float type that a node works in, if it works in one."""
    dtypes = [node.dtype, *(child.dtype for child in node.inputs)]
    return max(dtypes, key=lambda d: (d.kind == "float", d.itemsize))


@cache
def _counted(fn: str, dtype: str, arity: int) -> int:
    """Instructions of one primitive."""
    if fn != "philox" and (fn not in MATH or primitives.handles(fn)):
        return 1
    lines = _Counted()
    operands = [f"%x{i}" for i in range(arity)]
    if fn == "philox":
        emit_philox(lines, operands, 0)
    else:
        MATH[fn](lines, dtype, operands)
    return lines.count


class _Counted:
    """Lines that are counted and not kept, for vectors that every machine has."""

    lanes: Final = 8
    avx512: Final = False
    subnormal: Final = False

    def __init__(self) -> None:
        self.count = 0

    def fresh(self) -> str:
        """A name, which nobody reads."""
        return "%t"

    def line(self, text: str) -> None:  # noqa: ARG002 - the signature
        """One instruction more."""
        self.count += 1

    def declare(self, text: str) -> None:
        """Nothing is declared."""


def best_cut(weights: Sequence[int], crossing: Sequence[int], most: int) -> int:
    """The number of nodes in front of the best cut of a row of nodes in two.

    Between half and three quarters of `most` are left in front; among these places, the last of
    those that fewest bytes cross. `crossing[i]` is what crosses the place behind node i.
    """
    cut, total = 0, 0
    for i in range(len(weights) - 1):
        total += weights[i]
        if 2 * total < most:
            continue
        if cut and 4 * total > 3 * most:
            break
        if not cut or crossing[i] <= crossing[cut - 1]:
            cut = i + 1
    return cut or len(weights) - 1
