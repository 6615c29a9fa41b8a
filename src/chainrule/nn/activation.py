"""Activations as modules. Each is its function from `functional`. Example: `GELU()(x)`."""

from __future__ import annotations

from chainrule.nn import functional as F
from chainrule.nn.module import Module
from chainrule.tensor.tensor import Tensor


class Tanh(Module):
    """Tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.sigmoid(input)


class _InPlace(Module):
    """An activation that may rebind its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Options."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """max(x, 0)."""

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """X · sigmoid x."""

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.silu(input, self.inplace)


class LeakyReLU(Module):
    """X where positive, negative_slope · x elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Options."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """x·Φ(x), or with approximate="tanh" its tanh approximation."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Options."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta·x)) / beta."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Options."""
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """Log sigmoid x."""

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.logsigmoid(input)


class _AlongAxis(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """Exp x / Σ exp x along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """The same shape; sums to 1 along the axis."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """X - log Σ exp x along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        return F.log_softmax(input, self.dim)
