"""Linear equations, inverses, determinants and Cholesky's factor, of batches of matrices.

Computed by LAPACK on values: eager only, with gradients of any order. Singular matrices raise
LinAlgError. Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, own
from chainrule.tensor.dispatch import apply, apply_many
from chainrule.tensor.functional import arithmetic, comparison, diagonal, layout
from chainrule.tensor.functional.creation import eye
from chainrule.tensor.functional.forms import also_called, with_out
from chainrule.tensor.functional.products import matmul
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "inverse", "logdet", "matrix_power",
    "slogdet", "triangular_solve",
]  # fmt: skip


class SignAndLog(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class Solved(NamedTuple):
    """What `triangular_solve` returns."""

    solution: Tensor
    cloned_coefficient: Tensor


def _batches(name: str, a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both operands broadcast to common batch axes."""
    if min(len(a.shape), len(y.shape)) < 2:
        raise ShapeError(f"{name} needs matrices, not shapes {a.shape} and {y.shape}")
    lead = shapes.broadcast(a.shape[:-2], y.shape[:-2])
    return expand(a, (*lead, *a.shape[-2:])), expand(y, (*lead, *y.shape[-2:]))


@with_out
def solve(A: Operand, B: Operand, *, left: bool = True) -> Tensor:
    """X with A·X = B (or X·A = B), for B of vectors (…, n) or matrices (…, n, k)."""
    a, y = as_tensor(A), as_tensor(B)
    if len(y.shape) == 1 or y.shape == a.shape[:-1]:
        if a.shape[-2:-1] != y.shape[-1:]:
            raise ShapeError(f"solve of {a.shape} and {y.shape}: batches and rows must be equal")
        column = layout.unsqueeze(y, -1)
        return layout.squeeze(solve(a if left else layout.transpose(a, -2, -1), column), -1)
    if not left:
        return layout.transpose(solve(_turned(a), _turned(y)), -2, -1)
    return apply(TABLE["solve"], *_batches("solve", a, y))


def _turned(x: Tensor) -> Tensor:
    return layout.transpose(x, -2, -1)


@with_out
def solve_triangular(
    A: Operand, B: Operand, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A·X = B (or X·A = B), of which one triangle of A is read.

    `unitriangular` takes its diagonal as ones.
    """
    a, y = as_tensor(A), as_tensor(B)
    if not left:
        turned = solve_triangular(
            _turned(a), _turned(y), upper=not upper, unitriangular=unitriangular
        )
        return _turned(turned)
    if unitriangular:
        part = diagonal.triu(a, 1) if upper else diagonal.tril(a, -1)
        a = arithmetic.add(part, eye(a.shape[-1], dtype=a.dtype))
    return apply(TABLE["solve_triangular"], *_batches("solve_triangular", a, y), upper=upper)


@with_out
@also_called(input="b")
def triangular_solve(
    b: Operand, A: Operand, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Solved:
    """(X, A) with A·X = b of a triangular A (of its transpose): an older form."""
    a = as_tensor(A)
    part = _turned(a) if transpose else a
    over = upper != transpose
    return Solved(solve_triangular(part, b, upper=over, unitriangular=unitriangular), own(a))


@with_out
@also_called(A="input")
def inverse(input: Operand) -> Tensor:
    """A⁻¹ of square matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv.html
    """
    return apply(TABLE["inverse"], as_tensor(input))


@with_out
@also_called(A="input")
def det(input: Operand) -> Tensor:
    """The determinant of square matrices; its gradient needs an invertible one."""
    return apply(TABLE["det"], as_tensor(input))


@with_out
@also_called(A="input")
def slogdet(input: Operand) -> SignAndLog:
    """The determinant's sign and the logarithm of its size: (0, -∞) of singular matrices."""
    return SignAndLog(*apply_many(TABLE["slogdet"], as_tensor(input)))


def logdet(input: Operand) -> Tensor:
    """log det: NaN of a negative determinant, -∞ of 0."""
    sign, logged = slogdet(input)
    return comparison.where(comparison.lt(sign, 0), math.nan, logged)


def symmetric(name: str, x: Tensor, *, upper: bool = False) -> Tensor:
    """`x` itself; one that is not symmetric is read from its lower (or upper) triangle."""
    if modes.trace is not None or len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        return x
    value = x._concrete(name)
    if value.dtype.kind != "f" or np.allclose(value, value.swapaxes(-1, -2), equal_nan=True):
        return x
    lower = _turned(x) if upper else x
    return arithmetic.add(diagonal.tril(lower), _turned(diagonal.tril(lower, -1)))


@with_out
@also_called(A="input")
def cholesky(input: Operand, upper: bool = False) -> Tensor:
    """L with L·Lᵀ = A of symmetric positive definite matrices, or its transpose.

    Of a matrix that is not symmetric the triangle of the result is read.
    """
    x = as_tensor(input)
    out = apply(TABLE["cholesky"], symmetric("cholesky", x, upper=upper))
    return _turned(out) if upper else out


@with_out
@also_called(input="B", input2="L")
def cholesky_solve(B: Operand, L: Operand, upper: bool = False) -> Tensor:
    """X with A·X = B for the factor L of A = L·Lᵀ (or A = Lᵀ·L)."""
    factor = _turned(as_tensor(L)) if upper else as_tensor(L)
    half = solve_triangular(factor, B, upper=False)
    return solve_triangular(_turned(factor), half, upper=True)


@with_out
@also_called(input="L")
def cholesky_inverse(L: Operand, upper: bool = False) -> Tensor:
    """A⁻¹ for the factor L of A = L·Lᵀ (or A = Lᵀ·L)."""
    factor = as_tensor(L)
    return cholesky_solve(eye(factor.shape[-1], dtype=factor.dtype), factor, upper)


@with_out
def tensorinv(A: Operand, ind: int = 2) -> Tensor:
    """The inverse of A as a linear map from its last axes to its first `ind`."""
    a = as_tensor(A)
    rows, columns = a.shape[:ind], a.shape[ind:]
    if ind < 1 or shapes.size(rows) != shapes.size(columns):
        raise ShapeError(
            f"tensorinv of shape {a.shape} with ind={ind}: {rows} and {columns} differ"
        )
    square = layout.reshape(a, (shapes.size(rows), shapes.size(columns)))
    return layout.reshape(inverse(square), (*columns, *rows))


@with_out
def tensorsolve(A: Operand, B: Operand, dims: Sequence[int] | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    a, y = as_tensor(A), as_tensor(B)
    if dims is not None:
        last = [shapes.normal_axis(d, len(a.shape)) for d in dims]
        a = layout.permute(a, (*(i for i in range(len(a.shape)) if i not in last), *last))
    unknown = a.shape[len(y.shape) :]
    square = layout.reshape(a, (y.array_type.size, shapes.size(unknown)))
    return layout.reshape(solve(square, layout.reshape(y, (-1,))), unknown)


@with_out
@also_called(A="input")
def matrix_power(input: Operand, n: int) -> Tensor:
    """The n-th power of a square matrix (of each of a batch); of its inverse for n < 0."""
    x = as_tensor(input)
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power needs square matrices, not shape {x.shape}")
    if n < 0:
        return matrix_power(apply(TABLE["inverse"], x), -n)
    last = len(x.shape) - 1
    row, column = (
        apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=a) for a in (last - 1, last)
    )
    out, factor = cast(apply(TABLE["eq"], row, column), x.dtype), x
    first = True
    while n:
        if n % 2:
            out, first = own(factor) if first else matmul(out, factor), False
        n //= 2
        factor = matmul(factor, factor) if n else factor
    return out
