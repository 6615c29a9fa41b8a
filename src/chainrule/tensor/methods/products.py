"""Products of matrices as methods of `Tensor`. Example: `x.matmul(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import factorizations, linear, linear_systems, products
from chainrule.tensor.methods.in_place import in_place


class ProductMethods:
    """A part of `Methods`."""

    __slots__ = ()

    matmul = linear.matmul
    mm = linear.mm
    bmm = linear.bmm
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    baddbmm = products.baddbmm
    addbmm = products.addbmm
    mv = products.mv
    dot = products.dot
    vdot = products.vdot
    outer = ger = products.outer
    inner = products.inner
    kron = products.kron
    cross = products.cross
    matrix_power = products.matrix_power
    inverse = linear_systems.inverse
    det = linear_systems.det
    slogdet = linear_systems.slogdet
    logdet = linear_systems.logdet
    cholesky = linear_systems.cholesky
    cholesky_solve = linear_systems.cholesky_solve
    cholesky_inverse = linear_systems.cholesky_inverse
    triangular_solve = linear_systems.triangular_solve
    qr = factorizations.qr
    svd = factorizations.svd
    pinverse = factorizations.pinverse

    # in place
    addmm_ = in_place(products.addmm)
    addmv_ = in_place(products.addmv)
    addr_ = in_place(products.addr)
    baddbmm_ = in_place(products.baddbmm)
    addbmm_ = in_place(products.addbmm)
