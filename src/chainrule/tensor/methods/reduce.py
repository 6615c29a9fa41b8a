"""Reductions as methods of `Tensor`. Example: `x.sum(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import moments, norms, reduce


class ReduceMethods:
    """A part of `Methods`."""

    __slots__ = ()

    allclose = reduce.allclose
    equal = reduce.equal
    sum = reduce.sum
    nansum = reduce.nansum
    mean = reduce.mean
    nanmean = reduce.nanmean
    prod = reduce.prod
    amax = reduce.amax
    amin = reduce.amin
    aminmax = reduce.aminmax
    argmax = reduce.argmax
    argmin = reduce.argmin
    max = reduce.max
    min = reduce.min
    all = reduce.all
    any = reduce.any
    count_nonzero = reduce.count_nonzero
    logsumexp = reduce.logsumexp
    var = moments.var
    std = moments.std
    norm = norms.norm
    sum_to_size = reduce.sum_to_size
