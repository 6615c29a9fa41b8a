"""Adaptive pooling: as many windows as wanted, which cover the input.

Window i of n over a length T goes from ⌊i·T/n⌋ to ⌈(i+1)·T/n⌉.
Example: `adaptive_max_pool1d(x, 1)` is the maximum over time.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import Shape
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.functional import arithmetic, reduce
from chainrule.tensor.functional.convolution import batched, unbatched
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.im2col import WindowAxis
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.pooling import Marked, Pool, largest, pool_largest, summed
from chainrule.tensor.functional.slices import narrow

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["adaptive_avg_pool1d"]


def _targets(name: str, x: Tensor, output_size: Any, rank: int) -> Shape:
    """How many windows along each axis; None keeps a length."""
    listed = tuple(output_size) if isinstance(output_size, Iterable) else (output_size,)
    for size in listed:
        if size is not None:
            check_whole(f"{name}: output_size", size, least=0)
    listed = listed * rank if len(listed) == 1 else listed
    if len(listed) != rank:
        raise ArgumentError(f"{name}: output_size takes {rank} numbers, not {output_size!r}")
    sizes = tuple(n if t is None else t for t, n in zip(listed, x.shape[2:], strict=True))
    if any(t < 1 for t in sizes) or any(n < 1 for n in x.shape[2:]):
        raise ArgumentError(f"{name}: from lengths {x.shape[2:]} to {output_size!r}")
    return sizes


def _bounds(length: int, count: int) -> list[tuple[int, int]]:
    """Window i goes from ⌊i·length/count⌋ to ⌈(i+1)·length/count⌉."""
    return [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _adaptive(x: Tensor, axis: int, count: int, each: Callable[[Tensor], Tensor]) -> Tensor:
    """`each(x)` of each window, laid side by side."""
    return cat([each(narrow(x, axis, a, b - a)) for a, b in _bounds(x.shape[axis], count)], axis)


def _even(name: str, length: int, count: int) -> WindowAxis | None:
    """Equal windows side by side, where they are."""
    if length % count:
        return None
    size = length // count
    return WindowAxis(name, length, size, size, 0, 1, False)


def _adaptive_avg(name: str, rank: int, input: Operand, output_size: Any) -> Tensor:
    x, alone = batched(name, as_tensor(input), rank)
    for i, count in enumerate(_targets(name, x, output_size, rank)):
        axis, even = 2 + i, _even(name, x.shape[2 + i], count)
        if even is not None:
            x = arithmetic.mul(summed(x, axis, even), 1.0 / even.size)
        else:
            x = _adaptive(x, axis, count, partial(reduce.mean, dim=axis, keepdim=True))
    return unbatched(x, alone)


def _adaptive_max(
    name: str, rank: int, input: Operand, output_size: Any, return_indices: bool
) -> Any:
    def along(count: int, length: int) -> Pool:
        even = _even(name, length, count)
        if even is None:
            return partial(_uneven, name=name, count=count)
        return partial(largest, windows=even)

    def pools(x: Tensor) -> list[Pool]:
        counts = _targets(name, x, output_size, rank)
        return [along(c, n) for c, n in zip(counts, x.shape[2:], strict=True)]

    return pool_largest(name, rank, input, return_indices, pools)


def _uneven(found: Marked, axis: int, name: str, count: int) -> Marked:
    x, marks = found
    tops, wheres = [], []
    for a, b in _bounds(x.shape[axis], count):
        part = None if marks is None else narrow(marks, axis, a, b - a)
        window = WindowAxis(name, b - a, b - a, 1, 0, 1, False)
        top, where = largest((narrow(x, axis, a, b - a), part), axis, window)
        tops.append(top)
        wheres.append(where)
    return cat(tops, axis), None if marks is None else cat(wheres, axis)


def adaptive_avg_pool1d(input: Operand, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that cover (B, C, T).

    Window i goes from ⌊i·T/n⌋ to ⌈(i+1)·T/n⌉.
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Operand, output_size: Any) -> Tensor:
    """As `adaptive_avg_pool1d`, over two axes; None keeps a length."""
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


@of_kinds
def adaptive_max_pool1d(input: Operand, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of `output_size` windows that cover (B, C, T)."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


@of_kinds
def adaptive_max_pool2d(input: Operand, output_size: Any, return_indices: bool = False) -> Any:
    """As `adaptive_max_pool1d`, over two axes; None keeps a length."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)
