"""Start values, in place and outside autograd. A trailing underscore means: the tensor is changed.

Fans: a weight of shape (out, in, …) has fan_in = in · rest and fan_out = out · rest. Random numbers
come from chainrule's generator. May import `tensor`. Example: `xavier_uniform_(layer.weight)`.
Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
from typing import TypeVar

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.missing import missing_from
from chainrule.tensor.creation import eye
from chainrule.tensor.modes import no_grad
from chainrule.tensor.random import Generator
from chainrule.tensor.tensor import Tensor

T = TypeVar("T", bound=Tensor)

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps variance through a nonlinearity; `param` is leaky_relu's slope."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ArgumentError(f"no gain is known for {nonlinearity!r}; known are {known}")
    return _GAINS[nonlinearity]


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """Uniform in [a, b)."""
    with no_grad():
        tensor.uniform_(a, b, generator=generator)
    return tensor


def normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> T:
    """Normal with the given mean and standard deviation."""
    with no_grad():
        tensor.normal_(mean, std, generator=generator)
    return tensor


def constant_(tensor: T, val: float) -> T:
    """`val` everywhere."""
    with no_grad():
        tensor.fill_(val)
    return tensor


def zeros_(tensor: T) -> T:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def eye_(tensor: T) -> T:
    """The identity matrix."""
    if len(tensor.shape) != 2:
        raise ShapeError(f"eye_ needs a matrix, not shape {tensor.shape}")
    with no_grad():
        tensor.copy_(eye(*tensor.shape))
    return tensor


def _fans(tensor: Tensor) -> tuple[int, int]:
    if len(tensor.shape) < 2:
        raise ShapeError(f"fan in and fan out need at least 2 axes, not shape {tensor.shape}")
    rest = shapes.size(tensor.shape[2:])
    return tensor.shape[1] * rest, tensor.shape[0] * rest


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Uniform in ±gain·√(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio, Understanding the difficulty of training deep networks (2010).
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Normal with standard deviation gain·√(2 / (fan_in + fan_out)), after Glorot & Bengio."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in {"fan_in", "fan_out"}:
        raise ArgumentError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Uniform in ±gain·√(3 / fan).

    Source: He et al., Delving deep into rectifiers (2015).
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Normal with standard deviation gain / √fan, after He et al."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


__getattr__ = missing_from(__name__)
