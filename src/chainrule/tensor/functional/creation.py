"""New tensors from a shape or formula: zeros, ones, full, arange, linspace, eye, *_like forms.

`layout=`, `pin_memory=` and `memory_format=` are accepted and change nothing.
Example: `zeros(2, 3, requires_grad=True)`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.arguments import check_whole
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DTypeError, KindError
from chainrule.ops import TABLE
from chainrule.tensor.convert import (
    as_array,
    as_dtype,
    check_device,
    check_fits,
    get_default_dtype,
    modulo,
)
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.forms import of_kinds, size_named, with_out
from chainrule.tensor.functional.layout import flat_sizes
from chainrule.tensor.functional.random import asking, normal_values, uniform
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "arange", "clone", "detach", "empty", "empty_like", "eye", "full", "full_like", "linspace",
    "logspace", "ones", "ones_like", "rand_like", "randn_like", "scalar_tensor", "zeros",
    "zeros_like",
]  # fmt: skip


def _filled(value: Any, shape: tuple[int, ...], dtype: DType, requires_grad: bool) -> Tensor:
    if any(n < 0 for n in shape):
        raise ArgumentError(f"sizes must not be negative: {shape}")
    check_fits(value, dtype)
    value = modulo(value, dtype)
    if modes.trace is not None:
        out = apply(TABLE["full"], value=value, dtype=dtype, shape=shape)
    else:
        out = wrap(np.full(shape, value, dtype.numpy))
    return asking(out, requires_grad)


def _number(value: Any, name: str) -> Any:
    """A Python number, also of a 0-d tensor."""
    if isinstance(value, Handle):
        value = value._concrete(name)
        if value.size != 1:
            raise ArgumentError(f"{name} needs a number, not a tensor of shape {value.shape}")
        return value.item()
    return value.item() if isinstance(value, np.generic) else value


def _kind(value: Any) -> DType:
    """The dtype of a Python number."""
    return {bool: dtypes.bool_, int: dtypes.int64}.get(type(value), get_default_dtype())


@with_out
def full(
    size: Any, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `fill_value`; its dtype is that of the value unless given."""
    del layout, pin_memory
    check_device(device)
    if isinstance(fill_value, Handle) and modes.trace is not None:
        out: Any = fill_value.reshape(()).expand(flat_sizes([size]))  # type: ignore[attr-defined]
        return out if dtype is None else out.to(dtype)  # type: ignore[no-any-return]
    value = _number(fill_value, "full()")
    own = fill_value.dtype if isinstance(fill_value, Handle) else _kind(value)
    return _filled(value, flat_sizes([size]), as_dtype(dtype or own), requires_grad)


@with_out
@size_named
def zeros(
    *size: Any, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of zeros."""
    del layout, pin_memory, memory_format
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(0, flat_sizes(size), chosen, requires_grad)


@with_out
@size_named
def ones(
    *size: Any, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones."""
    del layout, pin_memory
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(1, flat_sizes(size), chosen, requires_grad)


empty = zeros


def _like(input: Handle, dtype: Any, device: Any) -> DType:
    check_device(device)
    return input.dtype if dtype is None else as_dtype(dtype)


@of_kinds
def full_like(
    input: Handle, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`fill_value` in the shape and dtype of `input`."""
    del layout, memory_format
    chosen = _like(input, dtype, device)
    return full(input.shape, fill_value, dtype=chosen, requires_grad=requires_grad)


@of_kinds
def zeros_like(
    input: Handle, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape and dtype of `input`."""
    del layout, memory_format
    return _filled(0, input.shape, _like(input, dtype, device), requires_grad)


@of_kinds
def ones_like(
    input: Handle, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones of the shape and dtype of `input`."""
    del layout, memory_format
    return _filled(1, input.shape, _like(input, dtype, device), requires_grad)


empty_like = zeros_like


@of_kinds
def rand_like(
    input: Handle, *, generator: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1) of the shape of `input`."""
    del layout, memory_format
    return asking(uniform(input.shape, _like(input, dtype, device), generator), requires_grad)


@of_kinds
def randn_like(
    input: Handle, *, generator: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Standard normal numbers of the shape of `input`."""
    del layout, memory_format
    out = normal_values(input.shape, _like(input, dtype, device), generator)
    return asking(out, requires_grad)


@with_out
def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, … below end; int64 if all are integers."""
    del layout, pin_memory
    check_device(device)
    if end is None or start is None:
        start, end = 0, start if end is None else end
    if end is None:
        raise KindError("arange needs an end: arange(5)")
    start, end, step = (_number(v, "arange()") for v in (start, end, step))
    if not all(map(math.isfinite, (start, end, step))):
        raise ArgumentError(
            f"arange needs finite numbers, not start {start}, end {end}, step {step}"
        )
    if step == 0:
        raise ArgumentError("arange needs a step other than 0")
    if (end - start) * step < 0:
        raise ArgumentError(f"arange from {start} never reaches {end} by steps of {step}")
    whole = all(isinstance(v, int) for v in (start, end, step))
    plain = dtypes.int64 if whole else get_default_dtype()
    chosen = _counted("arange", as_dtype(dtype or plain))
    if chosen.kind == "int":  # an integer result has an integer start and step
        start, step = int(start), int(step)
        count = math.ceil((int(end) - start) / step) if step else 0
        values = start + np.arange(count, dtype=np.int64) * step
    else:
        values = np.arange(start, end, step)
    return asking(wrap(values.astype(chosen.numpy)), requires_grad)


def _counted(name: str, dtype: DType) -> DType:
    """The dtype of a range, which may not be bool."""
    if dtype is dtypes.bool_:
        raise DTypeError(f"{name} has no bool result: compare its numbers, as in {name}(…) > 0")
    return dtype


def _between(start: Any, end: Any, steps: Any, dtype: Any) -> tuple[np.ndarray[Any, Any], DType]:
    count = check_whole("steps", _number(steps, "linspace()"), least=0)
    for value in (start, end):
        if isinstance(value, Handle) and value.shape:
            raise ArgumentError(f"the ends must be numbers, not a tensor of shape {value.shape}")
    first, last = _number(start, "linspace()"), _number(end, "linspace()")
    chosen = _counted("linspace", get_default_dtype() if dtype is None else as_dtype(dtype))
    if chosen.kind == "int":  # integers between integer ends, truncated
        first, last = int(first), int(last)
    for value in (first, last):
        check_fits(value, chosen)
    return np.linspace(first, last, count), chosen


@with_out
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from start to end, both included."""
    del layout, pin_memory
    check_device(device)
    values, chosen = _between(start, end, steps, dtype)
    return asking(wrap(values.astype(chosen.numpy)), requires_grad)


@with_out
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base^start to base^end, evenly spaced in their logarithm."""
    del layout, pin_memory
    check_device(device)
    values, chosen = _between(start, end, steps, dtype)
    with np.errstate(all="ignore"):
        powers = np.power(float(base), values)
    return asking(wrap(powers.astype(chosen.numpy)), requires_grad)


@with_out
def eye(
    n: int, m: int | None = None, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The identity matrix, n by m (n by n)."""
    del layout, pin_memory
    check_device(device)
    if n < 0 or (m is not None and m < 0):
        raise ArgumentError(f"sizes must not be negative: {(n, n if m is None else m)}")
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return asking(wrap(np.eye(n, m, dtype=chosen.numpy)), requires_grad)


@of_kinds
def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of the default float type, or of `dtype`."""
    del layout, pin_memory
    check_device(device)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return asking(wrap(as_array(_number(s, "scalar_tensor()"), chosen)), requires_grad)


@of_kinds
def clone(input: Handle, *, memory_format: Any = None) -> Tensor:
    """The same value in a handle of its own, with gradient."""
    del memory_format
    return apply(TABLE["reshape"], input, shape=input.shape)


@of_kinds
def detach(input: Tensor) -> Tensor:
    """The same values, cut off from the graph."""
    return input.detach()
