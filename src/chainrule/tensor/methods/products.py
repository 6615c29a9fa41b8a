"""Products of vectors and matrices as methods of `Tensor`. Example: `x.matmul(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import distance, einsum, products
from chainrule.tensor.methods.in_place import in_place


class ProductMethods:
    """A part of `Methods`."""

    __slots__ = ()

    matmul = products.matmul
    mm = products.mm
    bmm = products.bmm
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    baddbmm = products.baddbmm
    addbmm = products.addbmm
    mv = products.mv
    dot = products.dot
    vdot = products.vdot
    outer = ger = products.outer
    inner = einsum.inner
    kron = products.kron
    cross = products.cross
    dist = distance.dist

    # in place
    addmm_ = in_place(products.addmm)
    addmv_ = in_place(products.addmv)
    addr_ = in_place(products.addr)
    baddbmm_ = in_place(products.baddbmm)
    addbmm_ = in_place(products.addbmm)
