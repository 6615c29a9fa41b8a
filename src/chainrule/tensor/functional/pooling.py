"""Pooling: the largest, the mean or the p-norm of each window, one axis after the other.

The first of equal maxima gets the gradient, and NaN wins. Inputs are (batch, channels, lengths…),
or without the batch. Example: `max_pool1d(x, x.shape[-1])` is the maximum over time.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import activation, arithmetic, comparison, exponential, reduce
from chainrule.tensor.functional.convolution import Sizes, batched, unbatched
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.im2col import WindowAxis, window_axes
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["avg_pool1d", "max_pool1d", "max_pool2d"]

_SIDE_BY_SIDE = 8  # positions of a window that are compared one by one

Marked = tuple["Tensor", "Tensor | None"]  # values, and for each its number in the input
Pool = Callable[[Marked, int], Marked]  # along an axis


# -- the largest ---------------------------------------------------------------------------------


def _marks(x: Tensor, wanted: bool) -> Tensor | None:
    """Each position's number among the positions of its channel."""
    if not wanted:
        return None
    rest = x.shape[2:]
    line = apply(TABLE["iota"], dtype=dtypes.int64, shape=(shapes.size(rest),), axis=0)
    return apply(TABLE["broadcast_to"], apply(TABLE["reshape"], line, shape=rest), shape=x.shape)


def largest(found: Marked, axis: int, windows: WindowAxis) -> Marked:
    """The maximum of each window along an axis, with its mark."""
    x, marks = found
    lowest = -float("inf") if x.dtype.kind == "float" else np.iinfo(x.dtype.numpy).min
    x = windows.padded(x, axis, lowest)
    marks = None if marks is None else windows.padded(marks, axis, 0)
    if windows.size > _SIDE_BY_SIDE:
        many = windows.windows(x, axis)
        best = apply(TABLE["argmax"], many, axis=len(many.shape) - 1)
        top = apply(TABLE["pick"], many, best)
        return top, None if marks is None else apply(
            TABLE["pick"], windows.windows(marks, axis), best
        )
    top, where = windows.at(x, axis, 0), None if marks is None else windows.at(marks, axis, 0)
    for j in range(1, windows.size):
        other = windows.at(x, axis, j)
        better = comparison.logical_or(comparison.gt(other, top), comparison.ne(other, other))
        top = apply(TABLE["where"], better, other, top)
        if where is not None and marks is not None:
            where = apply(TABLE["where"], better, windows.at(marks, axis, j), where)
    return top, where


def pool_largest(
    name: str, rank: int, input: Operand, return_indices: bool,
    pools: Callable[[Tensor], Sequence[Pool]],
) -> Any:  # fmt: skip
    """Axis by axis, the last first: the first maximum in row-major order."""
    x, alone = batched(name, as_tensor(input), rank)
    if x.dtype is dtypes.bool_:
        raise DTypeError(f"{name} needs numbers, not {x.dtype}; use x.float()")
    if not x.shape[1]:
        raise ShapeError(f"{name} of no channels: shape {as_tensor(input).shape}")
    found: Marked = (x, _marks(x, return_indices))
    for i, pool in reversed(list(enumerate(pools(x)))):
        found = pool(found, 2 + i)
    top, where = found
    if where is None:
        return unbatched(top, alone)
    return unbatched(top, alone), unbatched(where, alone)


def _max_pool(
    rank: int, input: Operand, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    dilation: Sizes, ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    name = f"max_pool{rank}d"

    def pools(x: Tensor) -> list[Pool]:
        axes = window_axes(name, x, rank, kernel_size, stride, padding, dilation, up=ceil_mode)
        return [partial(largest, windows=each) for each in axes]

    return pool_largest(name, rank, input, return_indices, pools)


@one_call
@of_kinds
def max_pool1d(
    input: Operand, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest of each window of (B, C, T): (B, C, T'), with positions if asked for.

    T' = ⌊(T + 2·padding - dilation·(K - 1) - 1) / stride⌋ + 1, rounded up with `ceil_mode` where
    the last window starts inside; stride is the window's size unless given.
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@one_call
@of_kinds
def max_pool2d(
    input: Operand, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """As `max_pool1d`, over two axes; a position is row · width + column."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# -- the mean ------------------------------------------------------------------------------------


def summed(x: Tensor, axis: int, windows: WindowAxis) -> Tensor:
    """The sum of each window along an axis."""
    x = windows.padded(x, axis, 0)
    if windows.size > _SIDE_BY_SIDE:
        return reduce.sum(windows.windows(x, axis), -1)
    total = windows.at(x, axis, 0)
    for j in range(1, windows.size):
        total = arithmetic.add(total, windows.at(x, axis, j))
    return total


def _shares(x: Tensor, axis: int, windows: WindowAxis, everything: bool) -> Operand:
    """1 / the number of elements of each window, padding counted or not."""
    w = windows
    after = w.edge if everything else 0
    starts = [n * w.step - w.edge for n in range(w.count)]
    low = -w.edge if everything else 0
    counts = [min(s + w.size, w.length + after) - max(s, low) for s in starts]
    if len(set(counts)) == 1:
        return 1.0 / counts[0]
    place = apply(TABLE["iota"], dtype=dtypes.int64, shape=(w.count,), axis=0)
    first = arithmetic.sub(arithmetic.mul(place, w.step), w.edge)
    last = comparison.clamp(arithmetic.add(first, w.size), max=w.length + after)
    number = arithmetic.sub(last, comparison.clamp(first, min=low))
    shares = arithmetic.div(1.0, number.to(x.dtype))
    return apply(
        TABLE["reshape"], shares,
        shape=tuple(w.count if i == axis else 1 for i in range(len(x.shape))),
    )  # fmt: skip


def _avg_pool(
    name: str, rank: int, input: Operand, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    x, alone = batched(name, as_tensor(input), rank)
    if x.dtype.kind != "float":
        raise DTypeError(f"{name} needs floating-point input, not {x.dtype}; use x.float()")
    if divisor_override == 0:
        raise ArgumentError(f"{name}: divisor_override must not be 0")
    for i, windows in enumerate(
        window_axes(name, x, rank, kernel_size, stride, padding, up=ceil_mode)
    ):
        x = summed(x, 2 + i, windows)
        if divisor_override is None:
            x = arithmetic.mul(x, _shares(x, 2 + i, windows, count_include_pad))
    if divisor_override is not None:
        x = arithmetic.mul(x, 1.0 / divisor_override)
    return unbatched(x, alone)


@one_call
@of_kinds
def avg_pool1d(
    input: Operand, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of (B, C, T); padded zeros count unless told otherwise."""
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad
    )


@one_call
@of_kinds
def avg_pool2d(
    input: Operand, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """As `avg_pool1d`, over two axes; `divisor_override` is what sums are divided by instead."""
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def _lp_pool(
    rank: int, input: Operand, p: float, kernel_size: Sizes, stride: Sizes | None, up: bool
) -> Tensor:
    name = f"lp_pool{rank}d"
    x, alone = batched(name, as_tensor(input), rank)
    x = exponential.pow(x, p)
    for i, windows in enumerate(window_axes(name, x, rank, kernel_size, stride, up=up)):
        x = summed(x, 2 + i, windows)
    x = arithmetic.mul(arithmetic.sign(x), activation.relu(arithmetic.abs(x)))
    return unbatched(exponential.pow(x, 1.0 / p), alone)


@of_kinds
def lp_pool1d(
    input: Operand, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """(Σ xᵖ)^(1/p) over each window of (B, C, T), p = norm_type."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@of_kinds
def lp_pool2d(
    input: Operand, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """As `lp_pool1d`, over two axes."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)
