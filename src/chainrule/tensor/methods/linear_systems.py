"""Linear equations and inverses as methods of `Tensor`. Example: `A.inverse()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import linear_systems


class LinearSystemMethods:
    """A part of `Methods`."""

    __slots__ = ()

    inverse = linear_systems.inverse
    det = linear_systems.det
    slogdet = linear_systems.slogdet
    logdet = linear_systems.logdet
    cholesky = linear_systems.cholesky
    cholesky_solve = linear_systems.cholesky_solve
    cholesky_inverse = linear_systems.cholesky_inverse
    triangular_solve = linear_systems.triangular_solve
    matrix_power = linear_systems.matrix_power
