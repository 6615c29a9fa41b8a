"""Dropout of elements and channels while training. Example: `Dropout(0.1)(x)`."""

from __future__ import annotations

from chainrule.base.errors import ArgumentError
from chainrule.nn import functional
from chainrule.nn.module import Module
from chainrule.tensor.tensor import Tensor


class _Dropout(Module):
    """A probability p, and whether the input is rebound."""

    _shown = ("p", "inplace")

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"dropout needs a probability between 0 and 1, not {p}")
        self.p = p
        self.inplace = inplace


class Dropout(_Dropout):
    """While training, zero each element with probability p and scale the rest by 1/(1 - p).

    Source: Srivastava et al., Dropout (2014).
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """While training, zero channels of (N, C, L) or (C, L) with probability p."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """While training, zero channels of (N, C, H, W) or (C, H, W) with probability p."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """While training, zero channels of (N, C, D, H, W) or (C, D, H, W) with probability p."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """While training, set elements to SELU's lower limit; mean and variance are preserved."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """While training, set channels to SELU's lower limit; mean and variance are preserved."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.feature_alpha_dropout(input, self.p, self.training, self.inplace)
