"""Reductions over axes: sum, mean, extremes, logsumexp.

`dim` is one axis, several, or None for all; `keepdim` keeps them with size 1.
Example: `sum(x, -1)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_flag
from chainrule.base.errors import ArgumentError, KindError, ShapeError
from chainrule.ops import TABLE
from chainrule.ops.record import Op
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, filled, floating, own
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, layout
from chainrule.tensor.functional.forms import (
    also_called,
    also_named,
    deliver,
    named,
    of_kinds,
    with_numpy_names,
    with_out,
)
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import lasting

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "all", "allclose", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero",
    "equal", "logsumexp", "max", "mean", "min", "nanmean", "nansum", "prod", "sum",
]  # fmt: skip

Dim = int | Sequence[int] | None


class AminmaxResult(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


class MaxResult(NamedTuple):
    """What `max(dim)` returns: the extreme values and their positions."""

    values: Tensor
    indices: Tensor


def _ordered(input: Operand) -> Tensor:
    """The input as ordered numbers: bools as 0 and 1."""
    x = as_tensor(input)
    return cast(x, dtypes.uint8) if x.dtype is dtypes.bool_ else x


_SUM = TABLE["sum"]


def _reduce(op: Op, x: Tensor, dim: Dim, *, keepdim: bool) -> Tensor:
    shape = x.array_type.shape
    axes = shapes.normal_axes(dim if dim != () else None, len(shape))
    out = apply(op, x, axes=axes) if axes else own(x)
    if keepdim:
        out = apply(TABLE["reshape"], out, shape=shapes.with_ones(shape, axes))
    return out


def sum(
    input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None,
    out: Tensor | None = None, **numpys: Any,
) -> Tensor:  # fmt: skip
    """Σ input over `dim`; bools and small integers add up as int64."""
    if numpys:  # checked here: a decorator would cost a thirtieth of the call
        return _by_numpys_names(input, dim, keepdim, dtype, out, **numpys)
    x = input if isinstance(input, Handle) else as_tensor(input)
    kind, shape = x.array_type
    if dtype is not None:
        x = cast(x, as_dtype(dtype))
    elif kind.kind != "float":
        x = cast(x, dtypes.int64)
    axes = shapes.normal_axes(None if dim == () else dim, len(shape))
    total: Any = apply(_SUM, x, axes=axes) if axes else own(x)
    if keepdim:
        check_flag("sum: keepdim", keepdim)
        total = apply(TABLE["reshape"], total, shape=shapes.with_ones(shape, axes))
    return total if out is None else deliver(total, out)


def _by_numpys_names(
    input: Operand, dim: Dim, keepdim: bool, dtype: Any, out: Tensor | None, *, axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    if dim is not None and axis is not None:
        raise KindError("sum() takes dim= or NumPy's name for it, axis=, not both")
    return sum(input, dim if axis is None else axis, keepdim or keepdims, dtype=dtype, out=out)


named(_by_numpys_names, "sum", "`sum` by NumPy's names of its arguments.")


@with_out
def mean(input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ input / count over `dim`; NaN for no elements."""
    x = as_tensor(input)
    x = x if dtype is None else cast(x, as_dtype(dtype))
    if x.dtype.kind != "float":
        raise ArgumentError(f"mean needs floating-point input, not {x.dtype}; use x.float().mean()")
    shape = x.array_type.shape
    axes = shapes.normal_axes(dim if dim != () else None, len(shape))
    count = shapes.size([shape[a] for a in axes])
    total = _reduce(_SUM, x, dim, keepdim=keepdim)
    return lasting(arithmetic.mul(total, 1.0 / count if count else float("nan")))


def _largest(name: str, x: Tensor, dim: Dim, *, keepdim: bool) -> Tensor:
    return cast(_reduce(TABLE[name], _ordered(x), dim, keepdim=keepdim), x.dtype)


@with_out
def amax(input: Operand, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; ties share the gradient equally."""
    return _largest("amax", as_tensor(input), dim, keepdim=keepdim)


@with_out
def amin(input: Operand, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; ties share the gradient equally."""
    return _largest("amin", as_tensor(input), dim, keepdim=keepdim)


@with_out
def argmax(input: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first largest element along `dim` (of the flattened tensor for None)."""
    x = _ordered(input)
    if dim is None:
        flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
        out = apply(TABLE["argmax"], flat, axis=0)
        return apply(TABLE["reshape"], out, shape=(1,) * len(x.shape)) if keepdim else out
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        return apply(TABLE["full"], value=0, dtype=dtypes.int64, shape=())
    out = apply(TABLE["argmax"], x, axis=axis)
    if keepdim:
        out = apply(TABLE["reshape"], out, shape=shapes.with_ones(x.shape, (axis,)))
    return out


def reversed_order(x: Tensor) -> Tensor:
    """Numbers that are larger where x is smaller: -x, of integers every bit turned."""
    if x.dtype.kind == "float":
        return arithmetic.neg(x)
    every_bit = filled(-1 if x.dtype.is_signed else 255, x.dtype, x.shape)
    return apply(TABLE["bitwise_xor"], x, every_bit)


@with_out
def argmin(input: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first smallest element along `dim`."""
    return argmax(reversed_order(_ordered(input)), dim, keepdim)


def _extreme(name: str, input: Operand, dim: Any, keepdim: bool) -> Any:
    x = as_tensor(input)
    if dim is None:
        return _largest(name, x, None, keepdim=False)
    if not isinstance(dim, int):
        return (arithmetic.maximum if name == "amax" else arithmetic.minimum)(x, dim)
    find = argmax if name == "amax" else argmin
    index = find(x, dim, keepdim=False)
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        return MaxResult(apply(TABLE["reshape"], x, shape=()), index)
    values = apply(TABLE["pick"], layout.axis_last(x, axis), index)
    if keepdim:
        kept = shapes.with_ones(x.shape, (axis,))
        values = apply(TABLE["reshape"], values, shape=kept)
        index = apply(TABLE["reshape"], index, shape=kept)
    return MaxResult(values, index)


@with_out
@also_called(other="dim")
def max(input: Operand, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element of all, or with `dim` (values, indices), or of two tensors."""
    return _extreme("amax", input, dim, keepdim)


@with_out
@also_called(other="dim")
def min(input: Operand, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element of all, or with `dim` (values, indices), or of two tensors."""
    return _extreme("amin", input, dim, keepdim)


@with_out
def logsumexp(input: Operand, dim: Dim, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over `dim`, without overflow."""
    x = floating(input)
    for axis in reversed(shapes.normal_axes(dim, len(x.shape))):
        kept = shapes.with_ones(x.shape, (axis,))
        x = apply(TABLE["logsumexp"], x, axis=axis)
        if keepdim:
            x = apply(TABLE["reshape"], x, shape=kept)
    return own(x) if x is input else x


def _truth(x: Tensor, holds: Tensor) -> Tensor:
    """Bool, but uint8 for uint8: PyTorch's convention."""
    return cast(holds, dtypes.uint8) if x.dtype is dtypes.uint8 else holds


@with_out
def all(input: Operand, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements along `dim` are true."""
    x = as_tensor(input)
    return _truth(x, comparison.eq(sum(comparison.logical_not(x), dim, keepdim), 0))


@with_out
def any(input: Operand, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether any element along `dim` is true."""
    x = as_tensor(input)
    return _truth(x, comparison.gt(count_nonzero(x, dim, keepdim=keepdim), 0))


@with_numpy_names
def count_nonzero(input: Operand, dim: Dim = None, *, keepdim: bool = False) -> Tensor:
    """How many elements along `dim` are not zero."""
    x = as_tensor(input)
    return sum(x if x.dtype is dtypes.bool_ else comparison.ne(x, 0), dim, keepdim)


@with_out
def aminmax(input: Operand, *, dim: int | None = None, keepdim: bool = False) -> AminmaxResult:
    """The smallest and the largest element along `dim`; ties share the gradient equally."""
    x = as_tensor(input)
    lowest = _largest("amin", x, dim, keepdim=keepdim)
    return AminmaxResult(lowest, _largest("amax", x, dim, keepdim=keepdim))


@with_out
def nansum(input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ of the elements along `dim` that are not NaN."""
    x = as_tensor(input)
    if x.dtype.kind == "float":
        x = comparison.where(comparison.isnan(x), 0.0, x)
    return sum(x, dim, keepdim, dtype=dtype)


@with_out
def nanmean(input: Operand, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of the elements along `dim` that are not NaN; NaN if there are none."""
    x = as_tensor(input)
    total = nansum(x, dim, keepdim, dtype=dtype)
    counted = sum(comparison.logical_not(comparison.isnan(x)), dim, keepdim)
    return arithmetic.div(total, cast(counted, total.dtype))


@with_out
def prod(
    input: Operand, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Π input over `dim`, by halves: the gradient is exact where elements are 0."""
    x = as_tensor(input)
    if dtype is not None:
        x = cast(x, as_dtype(dtype))
    elif x.dtype.kind != "float":
        x = cast(x, dtypes.int64)
    if dim is None:
        x, axis = apply(TABLE["reshape"], x, shape=(x.array_type.size,)), 0
    else:
        axis = shapes.normal_axis(dim, len(x.shape))
        if not x.shape:
            return apply(TABLE["reshape"], x, shape=())
    kept = shapes.with_ones(x.shape, (axis,))
    if x.shape[axis] == 0:  # a sum of nothing, plus 1: a gradient still flows, to nothing
        x = arithmetic.add(sum(x, axis, keepdim=True), 1)
    while (size := x.shape[axis]) > 1:
        half = size // 2
        front = _part(x, axis, 0, half)
        halved = arithmetic.mul(front, _part(x, axis, half, half))
        rest = [_part(x, axis, 2 * half, 1)] if size % 2 else []
        x = apply(TABLE["concat"], halved, *rest, axis=axis) if rest else halved
    if keepdim:
        return own(x) if x is input else x
    return apply(TABLE["reshape"], x, shape=shapes.reduced(kept, (axis,)))


def _part(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    rank = len(x.shape)
    return apply(
        TABLE["slice"],
        x,
        start=tuple(start if i == axis else 0 for i in range(rank)),
        step=(1,) * rank,
        shape=tuple(size if i == axis else n for i, n in enumerate(x.shape)),
    )


@also_named("size")
def sum_to_size(input: Operand, *size: Any) -> Tensor:
    """The sum over all axes along which a tensor of `size` broadcasts to this shape."""
    x, target = as_tensor(input), layout.flat_sizes(size)
    if len(target) > len(x.shape) or shapes.broadcast(target, x.shape) != x.shape:
        raise ShapeError(f"size {target} does not broadcast to shape {x.shape}")
    lead = len(x.shape) - len(target)
    ones = [i + lead for i, n in enumerate(target) if n == 1 and x.shape[i + lead] != 1]
    axes = (*range(lead), *ones)
    if not target:
        return sum(x)
    if x.shape == target:
        return x
    return layout.reshape(sum(x, axes), target)


@of_kinds
def allclose(
    input: Operand, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`), as a Python bool."""
    return bool(all(comparison.isclose(input, other, rtol, atol, equal_nan)).item())


def equal(input: Operand, other: Operand) -> bool:
    """Whether shapes and all elements are equal, as a Python bool."""
    x, y = as_tensor(input), as_tensor(other)
    return x.shape == y.shape and bool(all(comparison.eq(x, y)).item())
