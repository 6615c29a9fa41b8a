"""PyTorch's `linalg`, as far as it is here: norms and products. Re-exports only.

Example: `linalg.vector_norm(x, ord=1, dim=-1)`.
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.diagonal import matrix_diagonal as diagonal
from chainrule.tensor.functional.linear import matmul
from chainrule.tensor.functional.norms import matrix_norm, vector_norm
from chainrule.tensor.functional.norms import matrix_or_vector_norm as norm
from chainrule.tensor.functional.products import cross, matrix_power, multi_dot, vecdot

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "vecdot",
    "vector_norm",
]

__getattr__ = missing_from(__name__)
