"""Dropout of elements and channels while training. Example: `Dropout(0.1)(x)`."""

from __future__ import annotations

from chainrule.base.arguments import check_flag, check_probability
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import functional
from chainrule.nn.module import Module
from chainrule.tensor.convert import floating
from chainrule.tensor.functional.creation import ones
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


class LockedDropout(Module):
    """While training, zero features of (T, B, …) with probability p, at all times t the same ones.

    The rest is scaled by 1/(1 - p). With `batch_first` the input is (B, T, …).
    Sources: Gal & Ghahramani, A theoretically grounded application of dropout in recurrent neural
    networks (2016); Merity et al., Regularizing and optimizing LSTM language models (2018).
    """

    _shown = ("p", "batch_first")

    def __init__(self, p: float = 0.5, batch_first: bool = False) -> None:
        super().__init__()
        check_probability("LockedDropout: p", p)
        check_flag("LockedDropout: batch_first", batch_first)
        self.p = p
        self.batch_first = batch_first

    def forward(self, input: Tensor) -> Tensor:
        """A sequence of features → the same shape."""
        if not self.training or self.p == 0:
            return input
        x = floating(input)
        if len(x.shape) < 3:
            raise ShapeError(f"LockedDropout takes (T, B, …) or (B, T, …), not shape {x.shape}")
        shape = [*x.shape]
        shape[self.batch_first] = 1
        return x * functional.dropout(ones(shape, dtype=x.dtype), self.p)
