"""Reductions over axes: sum, mean, extremes, logsumexp.

`dim` is one axis, several, or None for all; `keepdim` keeps them with size 1.
Example: `sum(x, -1)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import pointwise

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "sum",
]

Dim = int | Sequence[int] | None


class MaxResult(NamedTuple):
    """What `max(dim)` returns: the extreme values and where they are."""

    values: Tensor
    indices: Tensor


def _reduce(op_name: str, x: Tensor, dim: Dim, *, keepdim: bool) -> Tensor:
    axes = shapes.normal_axes(dim if dim != () else None, len(x.shape))
    out = apply(TABLE[op_name], x, axes=axes) if axes else x
    if keepdim:
        out = apply(TABLE["reshape"], out, shape=shapes.with_ones(x.shape, axes))
    return out


def sum(input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ input over `dim`; bools and small integers add up as int64."""
    x = as_tensor(input)
    if dtype is not None:
        x = cast(x, as_dtype(dtype))
    elif x.dtype.kind != "float":
        x = cast(x, dtypes.int64)
    return _reduce("sum", x, dim, keepdim=keepdim)


def mean(input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ input / count over `dim`; NaN for no elements."""
    x = as_tensor(input)
    x = x if dtype is None else cast(x, as_dtype(dtype))
    if x.dtype.kind != "float":
        raise ArgumentError(f"mean needs floating-point input, not {x.dtype}; use x.float().mean()")
    axes = shapes.normal_axes(dim if dim != () else None, len(x.shape))
    count = shapes.size([x.shape[a] for a in axes])
    total = _reduce("sum", x, dim, keepdim=keepdim)
    return pointwise.mul(total, 1.0 / count if count else float("nan"))


def amax(input: Operand, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; ties share the gradient equally."""
    return _reduce("amax", as_tensor(input), dim, keepdim=keepdim)


def amin(input: Operand, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; ties share the gradient equally."""
    return _reduce("amin", as_tensor(input), dim, keepdim=keepdim)


def argmax(input: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor for None)."""
    x = as_tensor(input)
    if x.dtype is dtypes.bool_:
        x = cast(x, dtypes.uint8)
    if dim is None:
        flat = apply(TABLE["reshape"], x, shape=(x.type.size,))
        out = apply(TABLE["argmax"], flat, axis=0)
        return apply(TABLE["reshape"], out, shape=(1,) * len(x.shape)) if keepdim else out
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        return apply(TABLE["full"], value=0, dtype=dtypes.int64, shape=())
    out = apply(TABLE["argmax"], x, axis=axis)
    if keepdim:
        out = apply(TABLE["reshape"], out, shape=shapes.with_ones(x.shape, (axis,)))
    return out


def argmin(input: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first smallest element along `dim`."""
    return argmax(pointwise.neg(as_tensor(input)), dim, keepdim)


def _extreme(name: str, input: Operand, dim: Any, keepdim: bool) -> Any:
    x = as_tensor(input)
    if dim is None:
        return _reduce(name, x, None, keepdim=False)
    if not isinstance(dim, int):
        return (pointwise.maximum if name == "amax" else pointwise.minimum)(x, dim)
    find = argmax if name == "amax" else argmin
    index = find(x, dim, keepdim=False)
    axis = shapes.normal_axis(dim, len(x.shape))
    order = (*(i for i in range(len(x.shape)) if i != axis), axis)
    values = apply(TABLE["pick"], apply(TABLE["transpose"], x, axes=order), index)
    if keepdim:
        kept = shapes.with_ones(x.shape, (axis,))
        values = apply(TABLE["reshape"], values, shape=kept)
        index = apply(TABLE["reshape"], index, shape=kept)
    return MaxResult(values, index)


def max(input: Operand, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element of all, or with `dim` (values, indices), or of two tensors."""
    return _extreme("amax", input, dim, keepdim)


def min(input: Operand, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element of all, or with `dim` (values, indices), or of two tensors."""
    return _extreme("amin", input, dim, keepdim)


def logsumexp(input: Operand, dim: Dim, keepdim: bool = False) -> Tensor:
    """Log Σ exp(input) over `dim`, without overflow."""
    x = floating(input)
    for axis in reversed(shapes.normal_axes(dim, len(x.shape))):
        kept = shapes.with_ones(x.shape, (axis,))
        x = apply(TABLE["logsumexp"], x, axis=axis)
        if keepdim:
            x = apply(TABLE["reshape"], x, shape=kept)
    return x


def all(input: Operand, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements along `dim` are true."""
    holds = pointwise.logical_not(input)
    return pointwise.eq(sum(holds, dim, keepdim), 0)


def any(input: Operand, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether any element along `dim` is true."""
    holds = pointwise.logical_not(pointwise.logical_not(input))
    return pointwise.gt(sum(holds, dim, keepdim), 0)


def norm(input: Operand, p: float = 2, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The p-norm (Σ |x|ᵖ)^(1/p) over `dim`; p may be inf."""
    x = floating(input)
    if p == float("inf"):
        return amax(pointwise.abs(x), () if dim is None else dim, keepdim)
    if p == 2:
        return pointwise.sqrt(sum(pointwise.mul(x, x), dim, keepdim))
    if p == 1:
        return sum(pointwise.abs(x), dim, keepdim)
    return pointwise.pow(sum(pointwise.pow(pointwise.abs(x), p), dim, keepdim), 1 / p)
