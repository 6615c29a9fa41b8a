"""Initialisation in place, outside autograd. A trailing underscore marks a change of the tensor.

Fans: a weight of shape (out, in, …) has fan_in = in · rest and fan_out = out · rest. Random numbers
come from chainrule's generator. May import `tensor`. Example: `xavier_uniform_(layer.weight)`.
Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.missing import missing_from
from chainrule.base.source import warn
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.functional.creation import eye
from chainrule.tensor.functional.random import Generator, normal_values, uniform
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor

T = TypeVar("T", bound=Tensor)

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps variance through a nonlinearity; `param` is leaky_relu's slope."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"param, the negative slope, must be a number, not {param!r}")
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
    return _set(tensor, eye(*tensor.shape))


def dirac_(tensor: T, groups: int = 1) -> T:
    """A convolution weight (out, in, …) that copies its input channels, group by group."""
    if not 3 <= len(tensor.shape) <= 5 or tensor.shape[0] % groups:
        raise ShapeError(
            f"dirac_ needs 3 to 5 axes, the first a multiple of {groups}, not shape {tensor.shape}"
        )
    value = np.zeros(tensor.shape, tensor.dtype.numpy)
    middle = tuple(n // 2 for n in tensor.shape[2:])
    each = tensor.shape[0] // groups
    for group in range(groups):
        for i in range(min(each, tensor.shape[1])):
            value[(group * each + i, i, *middle)] = 1
    return _set(tensor, value)


def trunc_normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> T:  # fmt: skip
    """Normal, restricted to [a, b]: values outside are drawn again."""
    if std <= 0 or a >= b:
        raise ArgumentError(f"trunc_normal_ needs std > 0 and a < b, not {std}, {a} and {b}")
    low, high = (a - mean) / std, (b - mean) / std
    count = shapes.size(tensor.shape)
    found = np.empty(0, np.float64)
    # a normal proposal where the interval is likely, else a uniform one (Robert, 1995)
    likely = math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)) > 0.5
    while found.size < count:
        size = (2 * (count - found.size) + 16,)
        if likely:
            x = _drawn(normal_values, size, generator)
            found = np.append(found, x[(x >= low) & (x <= high)])
            continue
        x = low + (high - low) * _drawn(uniform, size, generator)
        nearest = min(max(0.0, low), high)
        accepted = _drawn(uniform, size, generator) <= np.exp((nearest**2 - x**2) / 2)
        found = np.append(found, x[accepted])
    value = np.clip(found[:count] * std + mean, a, b)
    return _set(tensor, value.reshape(tensor.shape))


def _drawn(maker: Any, size: shapes.Shape, generator: Generator | None) -> Any:
    return maker(size, dtypes.float64, generator).numpy()


def orthogonal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """A (semi-)orthogonal matrix (rows, all other axes), times gain.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning (2014).
    """
    if len(tensor.shape) < 2:
        raise ShapeError(f"orthogonal_ needs at least 2 axes, not shape {tensor.shape}")
    rows = tensor.shape[0]
    columns = shapes.size(tensor.shape[1:])
    if rows == 0 or columns == 0:
        return tensor
    flat = _drawn(normal_values, (rows, columns), generator)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # uniform over all of them (Mezzadri, 2007)
    q = q.T if rows < columns else q
    return _set(tensor, (q * gain).reshape(tensor.shape))


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> T:
    """Normal with mean 0, with ⌈sparsity · rows⌉ zeros in each column.

    Source: Martens, Deep learning via Hessian-free optimization (2010).
    """
    if len(tensor.shape) != 2:
        raise ShapeError(f"sparse_ needs a matrix, not shape {tensor.shape}")
    rows, columns = tensor.shape
    value = np.array(_drawn(normal_values, (rows, columns), generator)) * std
    order = np.argsort(_drawn(uniform, (rows, columns), generator), axis=0)
    np.put_along_axis(value, order[: math.ceil(sparsity * rows)], 0.0, axis=0)
    return _set(tensor, value)


def _set(tensor: T, value: Any) -> T:
    with no_grad():
        tensor.copy_(as_tensor(value))
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


_calculate_fan_in_and_fan_out = _fans  # private in PyTorch, and widely used


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in {"fan_in", "fan_out"}:
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:  # fmt: skip
    """Uniform in ±gain·√(3 / fan).

    Source: He et al., Delving deep into rectifiers (2015).
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:  # fmt: skip
    """Normal with standard deviation gain / √fan, after He et al."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _renamed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The older name, without the underscore."""
    new = function.__name__

    @functools.wraps(function)
    def old(*args: Any, **kwargs: Any) -> Any:
        text = f"nn.init.{new[:-1]} is an old name: write nn.init.{new}"
        warn(text, FutureWarning)
        return function(*args, **kwargs)

    old.__name__ = old.__qualname__ = new[:-1]
    return old


if not TYPE_CHECKING:  # a checker knows which names there are

    def __getattr__(name: str) -> Any:
        """The older names `uniform`, `xavier_normal`, …; all else does not exist."""
        if name in _OLD:
            return _renamed(globals()[f"{name}_"])
        return _missing(name)


_OLD = frozenset(
    {"uniform", "normal", "constant", "eye", "dirac", "orthogonal", "sparse"}
    | {f"{kind}_{law}" for kind in ("xavier", "kaiming") for law in ("uniform", "normal")}
)
_missing = missing_from(__name__)
