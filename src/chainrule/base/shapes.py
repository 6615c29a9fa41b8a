"""Shape arithmetic on tuples: broadcasting, axes, and strided views of a contiguous buffer.

Imports base errors only. Example: `broadcast((3, 1), (4,)) == (3, 4)`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chainrule.base.arguments import check_whole
from chainrule.base.errors import AxisError, ShapeError

Shape = tuple[int, ...]


class Size(tuple[int, ...]):
    """The type of `x.shape`: a tuple with `numel()`.

    Slices and sums of sizes are sizes. Source: https://docs.pytorch.org/docs/stable/size.html
    """

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        """One axis' size, or the size of a slice of the axes."""
        found = _item(self, index)
        return Size(found) if type(found) is tuple else found

    def __add__(self, other: Any) -> Any:
        return Size(_sum(self, other))


_item, _sum = tuple.__getitem__, tuple.__add__


def size(shape: Sequence[int]) -> int:
    """Number of elements."""
    return math.prod(shape)


@functools.lru_cache(4096)
def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides in elements."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


@functools.lru_cache(1 << 12)
@functools.lru_cache(1 << 12)
def broadcast(*shapes: Shape) -> Shape:
    """The common shape by NumPy's rule; raises `ShapeError` naming the shapes and the axis."""
    rank = max(map(len, shapes), default=0)
    out = [1] * rank
    for shape in shapes:
        start = rank - len(shape)
        for i, n in enumerate(shape, start):
            if n == 1 or n == out[i]:
                continue
            if out[i] != 1:
                listed = " and ".join(str(s) for s in shapes)
                raise ShapeError(
                    f"shapes {listed} do not broadcast: axis {i - rank} has sizes {out[i]} and "
                    f"{n}; they must be equal or 1",
                    axis=i - rank,
                )
            out[i] = n
    return tuple(out)


def normal_axis(axis: int, rank: int, *, extra: int = 0) -> int:
    """A possibly negative axis as 0 ≤ axis < rank + extra; raises `AxisError` if out of range."""
    limit = rank + extra
    if type(axis) is not int:
        axis = check_whole("an axis", axis)
    if not -max(limit, 1) <= axis < max(limit, 1):
        raise AxisError(
            f"axis {axis} is out of range for {rank} axes; "
            f"use {-max(limit, 1)} to {max(limit, 1) - 1}"
        )
    return axis % limit if limit else 0


_ALL = tuple(tuple(range(rank)) for rank in range(9))


def normal_axes(axes: int | Sequence[int] | None, rank: int) -> Shape:
    """Axes as a sorted tuple of distinct non-negative numbers; None means all."""
    if axes is None:
        return _ALL[rank] if rank < len(_ALL) else tuple(range(rank))
    if type(axes) is int and -rank <= axes < rank:
        return (axes % rank,)
    listed = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    out = sorted(normal_axis(a, rank) for a in listed)
    if len(set(out)) != len(out):
        raise ShapeError(f"axes {listed} name the same axis twice")
    return tuple(a for a in out if a < rank)


def reduced(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` without `axes`."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def with_ones(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` with the size of each of `axes` set to 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def fill_unknown(shape: Sequence[int], count: int) -> Shape:
    """The target shape, with one -1 resolved so that it has `count` elements."""
    known = size([n for n in shape if n != -1])
    unknown = sum(1 for n in shape if n == -1)
    out = tuple(count // known if n == -1 and known else n for n in shape)
    if unknown > 1 or any(n < 0 for n in out) or size(out) != count:
        raise ShapeError(f"shape {tuple(shape)} cannot hold {count} elements: {_why(shape, count)}")
    return out


def _why(shape: Sequence[int], count: int) -> str:
    known = [n for n in shape if n != -1]
    if len(shape) - len(known) > 1:
        return "only one -1 may stand for an unknown size"
    if any(n < 0 for n in known):
        return "sizes must not be negative"
    if len(known) < len(shape):
        return f"{count} is not a multiple of {times(known)}"
    return f"{times(known)} are needed"


def times(sizes: Sequence[int]) -> str:
    """`6 × 21 = 126`."""
    return f"{' × '.join(map(str, sizes))} = {size(sizes)}" if len(sizes) > 1 else f"{size(sizes)}"


class View(NamedTuple):
    """Element i of the view is element `offset + Σ i·strides` of a buffer."""

    shape: Shape
    strides: Shape
    offset: int = 0

    @staticmethod
    def whole(shape: Shape) -> View:
        """The view that is the row-major buffer itself."""
        return View(shape, contiguous_strides(shape))

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements follow one another in row-major order."""
        shape = self.shape
        if self.strides == contiguous_strides(shape):
            return True
        step = 1
        for n, stride in zip(reversed(shape), reversed(self.strides), strict=True):
            if n != 1 and stride != step:
                return size(shape) == 0
            step *= n
        return True

    def same_elements(self, other: View) -> bool:
        """Whether both views name the same elements; strides along axes of size 1 do not matter."""
        if self.shape != other.shape or self.offset != other.offset:
            return False
        pairs = zip(self.shape, self.strides, other.strides, strict=True)
        return all(a == b or n == 1 for n, a, b in pairs)

    def broadcast_to(self, shape: Shape) -> View:
        """Repeat size-1 and new leading axes by stride 0."""
        return _repeated(self, shape)

    def transpose(self, axes: Shape) -> View:
        """Permute the axes."""
        return View(
            tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset
        )

    def slice(self, start: Shape, step: Shape, shape: Shape) -> View:
        """Take `shape` elements per axis from `start` by `step`."""
        offset = self.offset + sum(a * s for a, s in zip(start, self.strides, strict=True))
        return View(shape, tuple(a * s for a, s in zip(step, self.strides, strict=True)), offset)

    def reshape(self, shape: Shape) -> View | None:
        """The same elements in order under another shape; None if strides cannot express it."""
        return _reshaped(self, shape)


@functools.lru_cache(1 << 12)
def _repeated(view: View, shape: Shape) -> View:
    """`View.broadcast_to`."""
    lead = len(shape) - len(view.shape)
    strides = (0,) * lead + tuple(
        0 if n == 1 and m != 1 else s
        for n, m, s in zip(view.shape, shape[lead:], view.strides, strict=True)
    )
    return View(shape, strides, view.offset)


@functools.lru_cache(1 << 14)
def _reshaped(view: View, shape: Shape) -> View | None:
    """`View.reshape`, cached: every layer and every pass asks for the same few."""
    if size(shape) == 0:
        return View(shape, contiguous_strides(shape), view.offset)
    old = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    strides: list[int] = []
    index = len(old) - 1
    room, stride = 1, 0  # what remains of the run of old axes that is being split
    for n in reversed(shape):
        if n == 1:
            strides.append(0)
            continue
        while room % n:
            if index < 0:
                return None
            size_, step = old[index]
            if room == 1:
                room, stride = size_, step
            elif step == stride * room:
                room *= size_
            else:
                return None
            index -= 1
        strides.append(stride)
        room //= n
        stride *= n
    return View(shape, tuple(reversed(strides)), view.offset)
