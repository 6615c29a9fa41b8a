"""Formulas of matrices over a builder: `A @ B`, `A.T`, triangles and diagonals as graph nodes.

The rules of `linear_systems` and `factorizations` are written with it as in papers.
Example: `Matrix(b, x).T @ Matrix(b, y)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.base import dtypes
from chainrule.graph.node import Node
from chainrule.ops.arithmetic import add, div, mul, neg, sub
from chainrule.ops.comparison import eq, ge, where
from chainrule.ops.creation import filled, full, iota
from chainrule.ops.layout import reshape
from chainrule.ops.products import matmul, swap
from chainrule.ops.record import Builder
from chainrule.ops.reduce import broadcast_to, sum_


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A node of matrices (…, m, n) and how formulas of it become nodes."""

    b: Builder
    node: Node

    def _of(self, node: Node) -> Matrix:
        return Matrix(self.b, node)

    def __matmul__(self, other: Matrix) -> Matrix:
        return self._of(self.b(matmul, self.node, other.node))

    def __add__(self, other: Matrix) -> Matrix:
        return self._of(self.b(add, self.node, other.node))

    def __sub__(self, other: Matrix) -> Matrix:
        return self._of(self.b(sub, self.node, other.node))

    def __mul__(self, other: Matrix | float) -> Matrix:
        """Element by element."""
        factor = other.node if isinstance(other, Matrix) else filled(self.b, other, self.node)
        return self._of(self.b(mul, self.node, factor))

    def __neg__(self) -> Matrix:
        return self._of(self.b(neg, self.node))

    @property
    def T(self) -> Matrix:  # noqa: N802 - as in formulas
        """The transpose."""
        return self._of(swap(self.b, self.node))

    @property
    def symmetric(self) -> Matrix:
        """(A + Aᵀ) / 2."""
        return (self + self.T) * 0.5

    def _position(self, axis: int) -> Node:
        shape = self.node.shape
        return self.b(iota, dtype=dtypes.int64, shape=shape, axis=len(shape) + axis)

    def lower(self, below: int = 0) -> Matrix:
        """The elements at least `below` rows below the diagonal, zeros elsewhere."""
        row, column = self._position(-2), self._position(-1)
        reach = self.b(add, column, filled(self.b, below, column))
        kept = self.b(ge, row, reach)
        return self._of(self.b(where, kept, self.node, filled(self.b, 0, self.node)))

    def upper(self) -> Matrix:
        """The elements on and above the diagonal."""
        return self - self.lower(1)

    def half_lower(self) -> Matrix:
        """The lower triangle with half of the diagonal."""
        return (self.lower() + self.lower(1)) * 0.5

    def mirrored(self) -> Matrix:
        """The symmetric matrix with this lower triangle."""
        return self.lower() + self.lower(1).T

    def diagonal(self) -> Node:
        """(…, n): the diagonal of square matrices."""
        axes = (len(self.node.shape) - 1,)
        return self.b(sum_, (self.lower() - self.lower(1)).node, axes=axes)

    def trace(self) -> Node:
        """(…): the sum of the diagonal."""
        diagonal = self.diagonal()
        return self.b(sum_, diagonal, axes=(len(diagonal.shape) - 1,))

    def identity(self) -> Matrix:
        """The unit matrix of this shape."""
        shape, kind = self.node.shape, self.node.dtype
        ones = Matrix(self.b, self.b(full, value=1, dtype=kind, shape=shape))
        return ones.lower() - ones.lower(1)

    def columns_times(self, factors: Node) -> Matrix:
        """Column j times factors[…, j]: A·diag(factors)."""
        return self * self._of(row(self.b, factors, self.node))


def row(b: Builder, values: Node, like: Node) -> Node:
    """`values` (…, n) in each row of matrices (…, m, n)."""
    line = b(reshape, values, shape=(*values.shape[:-1], 1, values.shape[-1]))
    return b(broadcast_to, line, shape=like.shape)


def diagonal_matrix(b: Builder, values: Node) -> Matrix:
    """(…, n, n) with `values` (…, n) on the diagonal."""
    square = (*values.shape, values.shape[-1])
    like = b(full, value=1, dtype=values.dtype, shape=square)
    return Matrix(b, like).identity().columns_times(values)


def gaps(b: Builder, values: Node) -> Matrix:
    """1 / (values[j] - values[i]) at (i, j), zeros where both are equal."""
    square = (*values.shape, values.shape[-1])
    wide = Matrix(b, row(b, values, b(full, value=1, dtype=values.dtype, shape=square)))
    apart = (wide - wide.T).node
    same = b(eq, apart, filled(b, 0, apart))
    one, zero = filled(b, 1, apart), filled(b, 0, apart)
    return Matrix(b, b(where, same, zero, b(div, one, b(where, same, one, apart))))
