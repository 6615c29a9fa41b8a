"""Softmax and its kin as methods of `Tensor`. Example: `x.softmax(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor.functional import normalize


class NormalizeMethods:
    """A part of `Methods`."""

    __slots__ = ()

    softmax = normalize.softmax
    log_softmax = normalize.log_softmax
