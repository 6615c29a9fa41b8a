"""QR, eigenvalues of symmetric matrices, singular values, and what follows from them.

Computed by LAPACK on values: eager only, with gradients where eigenvalues or singular values are
distinct. Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, GradientError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.dispatch import apply, apply_many, wrap
from chainrule.tensor.functional import (
    arithmetic,
    comparison,
    exponential,
    join,
    layout,
    reduce,
    slices,
)
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.functional.forms import of_kinds, with_out
from chainrule.tensor.functional.linear_systems import symmetric
from chainrule.tensor.functional.products import matmul
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["pinverse", "qr", "svd"]


class Factors(NamedTuple):
    """A = Q·R."""

    Q: Tensor
    R: Tensor


class Eigen(NamedTuple):
    """A·V = V·diag(w)."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class Singular(NamedTuple):
    """A = U·diag(S)·Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class SingularV(NamedTuple):
    """A = U·diag(S)·Vᵀ."""

    U: Tensor
    S: Tensor
    V: Tensor


class LeastSquares(NamedTuple):
    """What `lstsq` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _whole(name: str, x: Tensor, fn: Any, **kwargs: Any) -> list[Tensor]:
    """Square factors of a matrix that is not square: values without a gradient."""
    if x.requires_grad and modes.grad:
        raise GradientError(
            f"{name} of shape {x.shape} with all columns of its factors has no gradient: those "
            "beyond the smaller side are not determined. Ask for the reduced form"
        )
    return [wrap(part) for part in fn(x._concrete(name), **kwargs)]


@with_out
def qr_of(A: Operand, mode: str = "reduced") -> Factors:
    """Q with orthonormal columns and an upper triangular R, A = Q·R.

    Mode "complete" gives a square Q, "r" an empty one.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.qr.html
    """
    a = as_tensor(A)
    if mode not in {"reduced", "complete", "r"}:
        raise ArgumentError(f"qr's mode is 'reduced', 'complete' or 'r', not {mode!r}")
    if len(a.shape) < 2:
        raise ShapeError(f"qr needs matrices, not shape {a.shape}")
    rows, columns = a.shape[-2:]
    if mode == "complete" and rows > columns:
        return Factors(*_whole("qr", a, np.linalg.qr, mode="complete"))
    if rows < columns:
        q, r = apply_many(TABLE["qr"], slices.narrow(a, -1, 0, rows))
        rest = matmul(layout.transpose(q, -2, -1), slices.narrow(a, -1, rows, columns - rows))
        r = join.cat([r, rest], -1)
    else:
        q, r = apply_many(TABLE["qr"], a)
    return Factors(empty(0, dtype=a.dtype) if mode == "r" else q, r)


@with_out
def qr(input: Operand, some: bool = True) -> Factors:
    """Q and R, A = Q·R; an older form of `linalg.qr`."""
    return qr_of(input, "reduced" if some else "complete")


@with_out
def eigh(A: Operand, UPLO: str = "L") -> Eigen:
    """Eigenvalues of symmetric matrices in ascending order, and orthonormal eigenvectors.

    Of a matrix that is not symmetric one triangle is read, the lower unless UPLO is "U".
    """
    if UPLO not in {"L", "U"}:
        raise ArgumentError(f"eigh's UPLO is 'L' or 'U', not {UPLO!r}")
    whole = symmetric("eigh", floating(A), upper=UPLO == "U")
    return Eigen(*apply_many(TABLE["eigh"], whole))


@with_out
def eigvalsh(A: Operand, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices in ascending order."""
    return eigh(A, UPLO).eigenvalues


@with_out
def singular(A: Operand, full_matrices: bool = True, *, driver: Any = None) -> Singular:
    """A = U·diag(S)·Vh with S descending; U and Vh are square unless `full_matrices=False`.

    Square factors of a matrix that is not square have no gradient.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html
    """
    del driver
    a = as_tensor(A)
    u, s, vh = apply_many(TABLE["svd"], a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        value, k = a._concrete("svd with full_matrices=True"), s.shape[-1]
        left, _, right = np.linalg.svd(value, full_matrices=True)
        u = join.cat([u, wrap(np.ascontiguousarray(left[..., k:]))], -1)
        vh = join.cat([vh, wrap(np.ascontiguousarray(right[..., k:, :]))], -2)
    return Singular(u, s, vh)


@with_out
def svd(input: Operand, some: bool = True, compute_uv: bool = True) -> SingularV:
    """A = U·diag(S)·Vᵀ; an older form of `linalg.svd`, which gives V."""
    if not compute_uv:
        a = as_tensor(input)
        sides = [empty((*a.shape[:-2], n, n), dtype=a.dtype) for n in a.shape[-2:]]
        return SingularV(sides[0], svdvals(a), sides[1])
    u, s, vh = singular(input, not some)
    return SingularV(u, s, layout.transpose(vh, -2, -1))


@with_out
def svdvals(A: Operand, *, driver: Any = None) -> Tensor:
    """Singular values, the largest first."""
    del driver
    return apply_many(TABLE["svd"], as_tensor(A))[1]


def _relative(a: Tensor, atol: Any, rtol: Any) -> float:
    """The share of the largest singular value below which one counts as 0."""
    least = np.finfo(a.dtype.numpy).eps * max(a.shape[-2:])
    share = float(rtol) if rtol is not None else 0.0 if atol else float(least)
    if not atol:
        return share
    largest = svdvals(a.detach())
    if len(a.shape) > 2:
        raise ArgumentError("atol takes one matrix; for a batch use rtol")
    top = float(largest[0].item()) if largest.array_type.size else 0.0
    return max(share, float(atol) / top if top else 0.0)


@with_out
def pinv(
    A: Operand, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudoinverse: singular values below rtol · the largest (or atol) count as 0.

    Its gradient presumes that the rank does not change.
    """
    a = symmetric("pinv", as_tensor(A)) if hermitian else as_tensor(A)
    if a.dtype.kind != "float":
        raise DTypeError(f"pinv needs floating-point matrices, not {a.dtype}; use x.float()")
    share = _relative(a, atol, rcond if rtol is None else rtol)
    return apply(TABLE["pinv"], a, rtol=share)


@of_kinds
def pinverse(input: Operand, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse: singular values below rcond · the largest count as 0."""
    return pinv(input, rcond)


@with_out
def matrix_rank(
    A: Operand, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values exceed max(atol, rtol · the largest), int64."""
    del hermitian
    a = as_tensor(A).detach()
    atol = tol if atol is None else atol
    values = svdvals(a)
    if not values.shape[-1]:
        return reduce.sum(comparison.gt(values, 0), -1)
    default = 0.0 if atol is not None else np.finfo(a.dtype.numpy).eps * max(a.shape[-2:])
    share = default if rtol is None else rtol
    limit = arithmetic.mul(reduce.amax(values, -1, keepdim=True), _column(share))
    limit = arithmetic.maximum(limit, as_tensor(_column(0.0 if atol is None else atol), a.dtype))
    return reduce.sum(comparison.gt(values, limit), -1)


def _column(value: Any) -> Any:
    """A tolerance per matrix, shaped like its singular values; a number as it is."""
    return layout.unsqueeze(value, -1) if hasattr(value, "shape") else value


@with_out
def lstsq(A: Operand, B: Operand, rcond: Any = None, *, driver: Any = None) -> LeastSquares:
    """X that minimises ‖A·X - B‖; of several the shortest.

    Residuals are given where A has more rows than columns and full rank, and not by the driver
    "gelsy", the default; it and the others compute in the same way here.
    """
    a, y = as_tensor(A), as_tensor(B)
    if len(a.shape) < 2 or not y.shape:
        raise ShapeError(f"lstsq takes matrices A and B, not shapes {a.shape} and {y.shape}")
    vector = len(y.shape) == len(a.shape) - 1
    if vector:
        y = layout.unsqueeze(y, -1)
    if driver not in {None, "gelsy", "gels", "gelss", "gelsd"}:
        raise ArgumentError(f"lstsq knows no driver {driver!r}")
    solution, nothing = matmul(pinv(a, rtol=rcond), y), empty(0, dtype=a.dtype)
    rank = matrix_rank(a, rtol=rcond)
    rows, columns = a.shape[-2:]
    residuals = nothing
    gives = rows > columns and driver not in {None, "gelsy"}
    if gives and (rank._concrete("lstsq") == columns).all():
        residuals = reduce.sum(arithmetic.square(arithmetic.sub(matmul(a, solution), y)), -2)
    return LeastSquares(
        layout.squeeze(solution, -1) if vector else solution,
        residuals,
        empty(0, dtype=dtypes.int64) if driver == "gels" else rank,
        svdvals(a.detach()) if driver in {"gelss", "gelsd"} else nothing,
    )


@with_out
def vander(x: Operand, *, N: int | None = None) -> Tensor:
    """(…, n, N): 1, x, x², … of each element."""
    base = as_tensor(x) if as_tensor(x).shape else layout.reshape(x, (1,))
    base = base if base.dtype is not dtypes.bool_ else base.long()
    count = base.shape[-1] if N is None else N
    columns = [exponential.pow(base, k) for k in range(count)]
    return join.stack(columns, -1)
