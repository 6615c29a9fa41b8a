"""PyTorch's `linalg`: products, norms, linear systems, factorizations. Re-exports only.

Example: `linalg.vector_norm(x, ord=1, dim=-1)`. What needs LAPACK is eager only.
Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.errors import LinAlgError
from chainrule.base.missing import missing_from
from chainrule.tensor.functional.diagonal import matrix_diagonal as diagonal
from chainrule.tensor.functional.factorizations import (
    eigh,
    eigvalsh,
    lstsq,
    matrix_rank,
    pinv,
    svdvals,
    vander,
)
from chainrule.tensor.functional.factorizations import qr_of as qr
from chainrule.tensor.functional.factorizations import singular as svd
from chainrule.tensor.functional.linear_systems import (
    cholesky,
    det,
    matrix_power,
    slogdet,
    solve,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from chainrule.tensor.functional.linear_systems import inverse as inv
from chainrule.tensor.functional.multi_dot import multi_dot
from chainrule.tensor.functional.norms import cond, matrix_norm, vector_norm
from chainrule.tensor.functional.norms import matrix_or_vector_norm as norm
from chainrule.tensor.functional.products import cross, matmul, vecdot

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv",
    "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv",
    "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve",
    "vander", "vecdot", "vector_norm",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
