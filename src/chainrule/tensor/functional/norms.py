"""Norms of vectors and matrices. Example: `vector_norm(x, ord=1, dim=-1)`.

A norm's gradient at the origin is 0. Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.arguments import check_number
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast
from chainrule.tensor.functional import arithmetic, comparison, exponential, layout, reduce, slices
from chainrule.tensor.functional.factorizations import svdvals
from chainrule.tensor.functional.forms import with_out
from chainrule.tensor.functional.linear_systems import inverse
from chainrule.tensor.functional.moments import root
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["norm"]

Dim = int | Sequence[int] | None


def _floats(A: Operand, dtype: Any, what: str) -> Tensor:
    x = as_tensor(A) if dtype is None else cast(as_tensor(A), as_dtype(dtype))
    if x.dtype.kind != "float":
        raise DTypeError(f"{what} needs floating-point input, not {x.dtype}; use x.float()")
    return x


def _power_norm(x: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """(Σ |x|ᵖ)^(1/p)."""
    size = arithmetic.abs(x)
    if p < 1:  # whose derivative is infinite at 0
        still = comparison.eq(size, 0)
        raised = exponential.pow(comparison.where(still, 1.0, size), p)
        size = comparison.where(still, 0.0 if p > 0 else math.inf, raised)
    else:
        size = exponential.pow(size, p)
    total = reduce.sum(size, dim, keepdim)
    flat = comparison.eq(total, 0)
    return comparison.where(flat, 0.0, exponential.pow(comparison.where(flat, 1.0, total), 1 / p))


@one_call
def _euclidean(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """√(Σ x²)."""
    return root(reduce.sum(arithmetic.mul(x, x), axes, keepdim))


@with_out
def vector_norm(
    x: Operand, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(Σ |x|^ord)^(1/ord) over `dim`, or over all; ord may be 0 (how many are not 0) and ±inf."""
    x = _floats(x, dtype, "vector_norm")
    axes = shapes.normal_axes(dim if dim != () else None, len(x.shape))
    if not axes:
        return arithmetic.abs(x) if ord else arithmetic.abs(arithmetic.sign(x))
    if ord == 2:
        return _euclidean(x, axes, keepdim)
    if ord == 1:
        return reduce.sum(arithmetic.abs(x), axes, keepdim)
    if ord == 0:
        return reduce.sum(arithmetic.abs(arithmetic.sign(x)), axes, keepdim)
    if math.isinf(ord):
        extreme = reduce.amax if ord > 0 else reduce.amin
        return extreme(arithmetic.abs(x), axes, keepdim)
    return _power_norm(x, ord, axes, keepdim)


@with_out
def matrix_norm(
    A: Operand, ord: float | str = "fro", dim: tuple[int, int] = (-2, -1), keepdim: bool = False, *,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """√Σ x² ("fro"), or the largest (1) or smallest (-1) column sum, or row sum (±inf).

    With singular values: the largest (2), the smallest (-2), their sum ("nuc"); eager only.
    """
    x = _floats(A, dtype, "matrix_norm")
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_norm needs at least two axes, not shape {x.shape}")
    if len(dim) != 2:
        raise ShapeError(f"matrix_norm: dim names the axes of rows and columns, not {dim}")
    rows, columns = (shapes.normal_axis(d, len(x.shape)) for d in dim)
    if rows == columns:
        raise ShapeError(f"matrix_norm needs two different axes, not {dim}")
    if ord == "fro":
        return vector_norm(x, 2, (rows, columns), keepdim)
    if ord in {"nuc", 2, -2}:
        return _singular_norm(x, ord, rows, columns, keepdim)
    if isinstance(ord, str) or abs(ord) not in {1, math.inf}:
        raise ArgumentError(f"matrix norms are 'fro', 'nuc', ±1, ±2 and ±inf, not {ord!r}")
    summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    totals = reduce.sum(arithmetic.abs(x), summed, keepdim=True)
    extreme = reduce.amax if ord > 0 else reduce.amin
    out = extreme(totals, other, keepdim=True)
    return out if keepdim else reduce.sum(out, (rows, columns))


def _singular_norm(x: Tensor, ord: float | str, rows: int, columns: int, keepdim: bool) -> Tensor:
    """The sum, the largest or the smallest of the singular values."""
    rest = [i for i in range(len(x.shape)) if i not in (rows, columns)]
    values = svdvals(layout.permute(x, (*rest, rows, columns)))
    fold = {"nuc": reduce.sum, 2: reduce.amax, -2: reduce.amin}[ord]
    out = fold(values, -1)
    kept = tuple(1 if i in (rows, columns) else n for i, n in enumerate(x.shape))
    return layout.reshape(out, kept) if keepdim else out


@with_out
def matrix_or_vector_norm(
    A: Operand, ord: float | str | None = None, dim: Dim = None, keepdim: bool = False, *,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """`linalg.norm`: the 2-norm of all elements; with `ord`, of vectors or of matrices.

    A matrix norm over two axes, a vector norm over one.
    """
    x = as_tensor(A)
    axes = (dim,) if isinstance(dim, int) else dim
    if ord is None:
        return vector_norm(x, 2, axes, keepdim, dtype=dtype)
    over = tuple(range(len(x.shape))) if axes is None else tuple(axes)
    if len(over) == 2:
        return matrix_norm(x, ord, over, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise ArgumentError(f"norm {ord!r} is one of matrices: give two axes, not {over}")
    if axes is None and len(over) > 2:
        raise ShapeError(f"norm of shape {x.shape} with ord={ord} needs dim=")
    return vector_norm(x, ord, over, keepdim, dtype=dtype)


@with_out
def norm(
    input: Operand, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """The p-norm (Σ |x|ᵖ)^(1/p) over `dim`; "fro" and None are 2; p may be 0 and ±inf."""
    if p == "nuc":
        axes = tuple(range(len(as_tensor(input).shape))) if dim is None else dim
        if isinstance(axes, int) or len(axes) != 2:
            raise ArgumentError(f'norm "nuc" is one of matrices: give two axes, not {axes}')
        return matrix_norm(input, "nuc", (axes[0], axes[1]), keepdim, dtype=dtype)
    if p is not None and p != "fro":
        check_number('norm: p, unless it is "fro" or "nuc",', p)
    order = 2.0 if p in {None, "fro"} else float(p)
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


@with_out
def cond(A: Operand, p: Any = None) -> Tensor:
    """‖A‖ₚ·‖A⁻¹‖ₚ; for p = 2 or None the ratio of the singular values, -2 its inverse."""
    if p in {None, 2, -2}:
        values = svdvals(A)
        first, last = slices.select(values, -1, 0), slices.select(values, -1, -1)
        return arithmetic.div(last, first) if p == -2 else arithmetic.div(first, last)
    return arithmetic.mul(matrix_norm(A, p), matrix_norm(inverse(A), p))
