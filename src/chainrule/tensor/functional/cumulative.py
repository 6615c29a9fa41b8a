"""Running totals along an axis, and differences of neighbours.

Example: `cumsum(probabilities, -1)`; all of them run compiled as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, floating, own
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.forms import with_out
from chainrule.tensor.functional.gather import gather
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.reduce import reversed_order
from chainrule.tensor.functional.slices import narrow

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]


class RunningExtreme(NamedTuple):
    """What `cummax` and `cummin` return: the extreme so far, and its last index."""

    values: Tensor
    indices: Tensor


def _running(name: str, x: Tensor, dim: int) -> Tensor:
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        return apply(TABLE["reshape"], x, shape=())
    return apply(TABLE[name], x, axis=axis)


def _addable(input: Operand, dtype: Any) -> Tensor:
    x = as_tensor(input)
    if dtype is not None:
        return cast(x, as_dtype(dtype))
    return x if x.dtype.kind == "float" else cast(x, dtypes.int64)


@with_out
def cumsum(input: Operand, dim: int, *, dtype: Any = None) -> Tensor:
    """out[i] = input[0] + … + input[i] along `dim`; bools and integers add up as int64."""
    return _running("cumsum", _addable(input, dtype), dim)


@with_out
def cumprod(input: Operand, dim: int, *, dtype: Any = None) -> Tensor:
    """out[i] = input[0] · … · input[i] along `dim`; the gradient is exact where zeros occur."""
    return _running("cumprod", _addable(input, dtype), dim)


@with_out
def logcumsumexp(input: Operand, dim: int) -> Tensor:
    """out[i] = log(exp(input[0]) + … + exp(input[i])) along `dim`, without overflow."""
    return _running("logcumsumexp", floating(input), dim)


def _extreme(x: Tensor, key: Tensor, dim: int) -> RunningExtreme:
    """The last index of the running maximum of `key`, and `x` there."""
    axis = shapes.normal_axis(dim, len(x.shape))
    if not x.shape:
        here = apply(TABLE["full"], value=0, dtype=dtypes.int64, shape=())
        return RunningExtreme(apply(TABLE["reshape"], x, shape=()), here)
    best = apply(TABLE["cummax"], key, axis=axis)
    met = comparison.logical_or(comparison.eq(key, best), comparison.ne(key, key))
    places = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=axis)
    last = apply(TABLE["cummax"], comparison.where(met, places, 0), axis=axis)
    return RunningExtreme(gather(x, axis, last), last)


@with_out
def cummax(input: Operand, dim: int) -> RunningExtreme:
    """The largest element so far along `dim` and the last place that has it; NaN stays."""
    x = as_tensor(input)
    return _extreme(x, _addable(x, None).detach(), dim)


@with_out
def cummin(input: Operand, dim: int) -> RunningExtreme:
    """The smallest element so far along `dim` and the last place that has it; NaN stays."""
    x = as_tensor(input)
    return _extreme(x, reversed_order(_addable(x, None).detach()), dim)


@with_out
def diff(
    input: Operand, n: int = 1, dim: int = -1, prepend: Operand = None, append: Operand = None
) -> Tensor:
    """input[i+1] - input[i] along `dim`, n times; of bools: whether they differ."""
    x = as_tensor(input)
    if not x.shape:
        raise ShapeError("diff needs at least one axis, not a scalar")
    axis = shapes.normal_axis(dim, len(x.shape))
    if n < 0:
        raise ArgumentError(f"diff needs a number of differences n >= 0, not {n}")
    if n == 0:
        return own(x)
    parts = [p for p in (prepend, x, append) if p is not None]
    if len(parts) > 1:
        x = cat([as_tensor(p) for p in parts], axis)
    for _ in range(n):
        size = x.shape[axis]
        if size == 0:
            break
        later, sooner = narrow(x, axis, 1, size - 1), narrow(x, axis, 0, size - 1)
        change = comparison.logical_xor if x.dtype is dtypes.bool_ else arithmetic.sub
        x = change(later, sooner)
    return x
