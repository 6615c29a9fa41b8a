"""Factorizations of matrices as methods of `Tensor`. Example: `A.qr()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import factorizations


class FactorizationMethods:
    """A part of `Methods`."""

    __slots__ = ()

    qr = factorizations.qr
    svd = factorizations.svd
    pinverse = factorizations.pinverse
