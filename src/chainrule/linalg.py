"""PyTorch's `linalg`, as far as it is here: norms. Re-exports only.

Example: `linalg.vector_norm(x, ord=1, dim=-1)`.
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.norms import matrix_norm, vector_norm
from chainrule.tensor.functional.norms import matrix_or_vector_norm as norm

__all__ = ["matrix_norm", "norm", "vector_norm"]

__getattr__ = missing_from(__name__)
