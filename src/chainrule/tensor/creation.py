"""New tensors from a shape: zeros, ones, full, arange, eye and the *_like forms.

Example: `zeros(2, 3, requires_grad=True)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.convert import as_dtype, check_device, get_default_dtype
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.layout import flat_sizes
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.random import normal_values, uniform

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand_like",
    "randn_like",
    "zeros",
    "zeros_like",
]


def _filled(value: Any, shape: tuple[int, ...], dtype: DType, requires_grad: bool) -> Tensor:
    if any(n < 0 for n in shape):
        raise ArgumentError(f"sizes must not be negative: {shape}")
    if modes.trace is not None:
        out = apply(TABLE["full"], value=value, dtype=dtype, shape=shape)
    else:
        out = wrap(np.full(shape, value, dtype.numpy))
    if requires_grad:
        out.requires_grad = True
    return out


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `fill_value`; its dtype follows the value unless given."""
    check_device(device)
    if dtype is None:
        kinds = {bool: dtypes.bool_, int: dtypes.int64}
        chosen = kinds.get(type(fill_value), get_default_dtype())
    else:
        chosen = as_dtype(dtype)
    return _filled(fill_value, flat_sizes([size]), chosen, requires_grad)


def zeros(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros."""
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(0, flat_sizes(size), chosen, requires_grad)


def ones(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones."""
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(1, flat_sizes(size), chosen, requires_grad)


empty = zeros


def _like(input: Handle, dtype: Any) -> DType:
    return input.dtype if dtype is None else as_dtype(dtype)


def zeros_like(input: Handle, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return _filled(0, input.shape, _like(input, dtype), requires_grad)


def ones_like(input: Handle, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return _filled(1, input.shape, _like(input, dtype), requires_grad)


empty_like = zeros_like


def full_like(
    input: Handle,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    return _filled(fill_value, input.shape, _like(input, dtype), requires_grad)


def rand_like(input: Handle, *, dtype: Any = None) -> Tensor:
    """Uniform numbers in [0, 1) of the shape of `input`."""
    return uniform(input.shape, _like(input, dtype))


def randn_like(input: Handle, *, dtype: Any = None) -> Tensor:
    """Standard normal numbers of the shape of `input`."""
    return normal_values(input.shape, _like(input, dtype))


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below end; int64 if all are integers."""
    check_device(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ArgumentError("arange needs a step other than 0")
    whole = all(isinstance(v, int) for v in (start, end, step))
    default = dtypes.int64 if whole else get_default_dtype()
    out = wrap(np.arange(start, end, step).astype((as_dtype(dtype) if dtype else default).numpy))
    if requires_grad:
        out.requires_grad = True
    return out


def linspace(start: float, end: float, steps: int, *, dtype: Any = None) -> Tensor:
    """`steps` numbers from start to end, both included."""
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return wrap(np.linspace(start, end, steps).astype(chosen.numpy))


def eye(n: int, m: int | None = None, *, dtype: Any = None) -> Tensor:
    """The identity matrix, n by m (n by n)."""
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return wrap(np.eye(n, m, dtype=chosen.numpy))
