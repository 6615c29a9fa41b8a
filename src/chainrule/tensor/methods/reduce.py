"""Reductions as methods of `Tensor`. Example: `x.sum(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import reduce


class ReduceMethods:
    """A part of `Methods`."""

    __slots__ = ()

    sum = reduce.sum
    mean = reduce.mean
    amax = reduce.amax
    amin = reduce.amin
    argmax = reduce.argmax
    argmin = reduce.argmin
    max = reduce.max
    min = reduce.min
    all = reduce.all
    any = reduce.any
    norm = reduce.norm
    logsumexp = reduce.logsumexp
