"""Products of matrices as methods of `Tensor`. Example: `x.matmul(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import linear


class LinearMethods:
    """A part of `Methods`."""

    __slots__ = ()

    matmul = linear.matmul
    mm = linear.mm
    bmm = linear.bmm
