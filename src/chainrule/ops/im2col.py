"""Overlapping windows of an array, and the sum of overlapping windows: each the other's gradient.

    windows(x)[…, n, …, j]  =  x[…, n·step + j·dilation, …]        for every axis in `axes`
    overlap_add(y)[…, p, …] =  Σ y[…, n, …, j] over n·step + j·dilation = p

Windows are never copied where strides can be read: convolution and pooling see them as a view.
Example: `windows(x, axes=(1,), size=(3,), step=(1,), dilation=(1,))` of (B, T) is (B, T - 2, 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.shapes import Shape, View
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add
from chainrule.ops.creation import strided
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.layout import draw, pad, reshape, slice_, transpose
from chainrule.ops.record import Array, Builder, Illegal, IndexMap, Op, Sample, leading

_f32 = dtypes.float32


def window_counts(lengths: Shape, size: Shape, step: Shape, dilation: Shape) -> Shape:
    """How many windows fit along each axis (0 if not even one does)."""
    return tuple(
        max((n - (k - 1) * d - 1) // s + 1, 0)
        for n, k, s, d in zip(lengths, size, step, dilation, strict=True)
    )


def _checked(x: Shape, axes: Shape, size: Shape, attrs: Attrs) -> Shape:
    """The numbers of windows of an array of shape `x`; raises where the attributes do not fit."""
    step, dilation = attrs["step"], attrs["dilation"]
    if not len(axes) == len(size) == len(step) == len(dilation):
        raise ShapeError(f"windows need one size, step and dilation per axis of {axes}")
    if sorted(set(axes)) != list(axes) or any(not 0 <= a < len(x) for a in axes):
        raise ShapeError(f"windows along {axes}: not ascending axes of shape {x}")
    if any(n < 1 for n in (*size, *step, *dilation)):
        raise ShapeError(f"windows of {size} by {step}, dilated by {dilation}: at least 1 each")
    counts = window_counts(tuple(x[a] for a in axes), size, step, dilation)
    if 0 in counts:
        raise ShapeError(f"no window of {size}, dilated by {dilation}, fits axes {axes} of {x}")
    return counts


def _replaced(shape: Shape, axes: Shape, lengths: Shape) -> Shape:
    new = dict(zip(axes, lengths, strict=True))
    return tuple(new.get(i, n) for i, n in enumerate(shape))


def _windows_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,), axes, size = ins, attrs["axes"], attrs["size"]
    counts = _checked(x.shape, axes, size, attrs)
    return Type(x.dtype, (*_replaced(x.shape, axes, counts), *size))


def _windows_view(attrs: Attrs, view: View, shape: Shape) -> View:
    axes, step, dilation = attrs["axes"], attrs["step"], attrs["dilation"]
    between = tuple(view.strides[a] * s for a, s in zip(axes, step, strict=True))
    within = tuple(view.strides[a] * d for a, d in zip(axes, dilation, strict=True))
    return View(shape, (*_replaced(view.strides, axes, between), *within), view.offset)


def _windows(ins: Any, attrs: Attrs) -> Array:
    (x,) = ins
    shape = _windows_infer((Type(dtypes.from_numpy(x.dtype), x.shape),), attrs).shape
    strides = _windows_view(attrs, View(x.shape, x.strides), shape).strides
    if x.flags.c_contiguous:
        return strided(x, shape, strides)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _windows_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    attrs, lengths = node.attrs, tuple(node.inputs[0].shape[a] for a in node.attrs["axes"])
    again = {name: attrs[name] for name in ("axes", "step", "dilation")}
    return (b(overlap_add, ct, lengths=lengths, **again),)


# shape, axes, size, step, dilation
_CALLS: tuple[tuple[Shape, Shape, Shape, Shape, Shape], ...] = (
    ((7,), (0,), (3,), (1,), (1,)),
    ((2, 9, 3), (1,), (3,), (2,), (1,)),
    ((2, 9), (1,), (3,), (1,), (2,)),
    ((2, 6, 2), (1,), (2,), (2,), (1,)),  # side by side
    ((2, 8), (1,), (2,), (3,), (1,)),  # with gaps
    ((2, 5, 20), (1, 2), (2, 3), (1, 2), (2, 1)),
    ((3,), (0,), (3,), (1,), (1,)),
    ((1,), (0,), (1,), (1,), (1,)),
    ((0, 3), (1,), (2,), (1,), (1,)),
)


def _windows_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape, axes, size, step, dilation in _CALLS:
        attrs = {"axes": axes, "size": size, "step": step, "dilation": dilation}
        yield Sample((draw(rng, shape, dtype),), attrs)
    attrs = {"axes": (0,), "size": (2,), "step": (1,), "dilation": (1,)}
    yield Sample((draw(rng, (3, 5), dtype).T,), attrs)  # not contiguous


_ATTRS: dict[str, Any] = {"axes": (0,), "step": (1,), "dilation": (1,)}

windows: Op = Op(
    "windows",
    _windows_infer,
    _windows,
    vjp=_windows_vjp,
    lower=IndexMap(_windows_view),
    traits=frozenset({"index-map", "linear"}),
    batch=leading,
    samples=_windows_samples,
    illegal=(
        Illegal((Type(_f32, (3,)),), {**_ATTRS, "size": (4,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {**_ATTRS, "size": (0,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {**_ATTRS, "size": (2, 2)}, ShapeError),
        Illegal((Type(_f32, ()),), {**_ATTRS, "size": (1,)}, ShapeError),
    ),
)


def _overlap_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,), axes, lengths = ins, attrs["axes"], attrs["lengths"]
    need_kind("overlap_add", x.dtype, NUMBERS)
    rank = len(x.shape) - len(axes)
    outer, size = x.shape[: max(rank, 0)], x.shape[max(rank, 0) :]
    if rank < len(axes) or len(lengths) != len(axes) or any(a >= rank for a in axes):
        raise ShapeError(f"overlap_add of {x.shape} along {axes} into lengths {lengths}")
    shape = _replaced(outer, axes, lengths)
    counts = _checked(shape, axes, size, attrs)
    if counts != tuple(outer[a] for a in axes):
        raise ShapeError(
            f"overlap_add of {x.shape} along {axes}: lengths {lengths} hold {counts} windows"
        )
    return Type(x.dtype, shape)


def _overlap_add(ins: Any, attrs: Attrs) -> Array:
    (x,), axes, lengths = ins, attrs["axes"], attrs["lengths"]
    rank = x.ndim - len(axes)
    outer, size = x.shape[:rank], x.shape[rank:]
    out = np.zeros(_replaced(outer, axes, lengths), x.dtype)
    for tap in itertools.product(*map(range, size)):
        place = [slice(None)] * rank
        for a, j, s, d in zip(axes, tap, attrs["step"], attrs["dilation"], strict=True):
            place[a] = slice(j * d, j * d + (outer[a] - 1) * s + 1, s)
        out[tuple(place)] += x[(..., *tap)]
    return out


def _overlap_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    attrs, x = node.attrs, node.inputs[0]
    again = {name: attrs[name] for name in ("axes", "step", "dilation")}
    return (b(windows, ct, size=x.shape[len(x.shape) - len(attrs["axes"]) :], **again),)


def _overlap_decompose(b: Builder, node: Node) -> Node:
    """Axis by axis, the last first: each position of a window is added where it came from."""
    (x,), attrs = node.inputs, node.attrs
    axes = list(zip(attrs["axes"], attrs["lengths"], attrs["step"], attrs["dilation"], strict=True))
    for axis, length, step, dilation in reversed(axes):
        x = _overlap_axis(b, x, axis, length, step, dilation)
    return x


def _overlap_axis(b: Builder, x: Node, axis: int, length: int, step: int, dilation: int) -> Node:
    """Σ_j of the last axis, each j moved by j·dilation: shifted parts of one padded array."""
    *outer, size = x.shape
    if step == size * dilation == size:
        return _side_by_side(b, x, axis, length)
    reach = (size - 1) * dilation
    rank, start = len(outer), [0] * len(x.shape)
    start[axis] = reach
    steps = tuple(step if i == axis else 1 for i in range(rank + 1))
    padded = (*_replaced(tuple(outer), (axis,), (length + reach,)), size)
    wide = b(pad, x, start=tuple(start), step=steps, shape=padded)
    shape = _replaced(tuple(outer), (axis,), (length,))
    total: Node | None = None
    for j in range(size):
        at = (*(reach - j * dilation if i == axis else 0 for i in range(rank)), j)
        part = b(slice_, wide, start=at, step=(1,) * (rank + 1), shape=(*shape, 1))
        part = b(reshape, part, shape=shape)
        total = part if total is None else b(add, total, part)
    assert total is not None
    return total


def _side_by_side(b: Builder, x: Node, axis: int, length: int) -> Node:
    """Windows that neither overlap nor leave gaps are the array itself, but for its end."""
    *outer, size = x.shape
    rank = len(outer)
    x = b(transpose, x, axes=(*range(axis + 1), rank, *range(axis + 1, rank)))
    whole = _replaced(tuple(outer), (axis,), (outer[axis] * size,))
    x = b(reshape, x, shape=whole)
    if whole[axis] == length:
        return x
    shape = _replaced(whole, (axis,), (length,))
    return b(pad, x, start=(0,) * rank, step=(1,) * rank, shape=shape)


def _overlap_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for shape, axes, size, step, dilation in _CALLS:
        lengths = tuple(shape[a] for a in axes)
        counts = window_counts(lengths, size, step, dilation)
        x = draw(rng, (*_replaced(shape, axes, counts), *size), dtype)
        yield Sample((x,), {"axes": axes, "lengths": lengths, "step": step, "dilation": dilation})
    attrs = {"axes": (0,), "lengths": (7,), "step": (2,), "dilation": (1,)}
    yield Sample((draw(rng, (3, 3), dtype).T,), attrs)  # not contiguous


overlap_add: Op = Op(
    "overlap_add",
    _overlap_infer,
    _overlap_add,
    vjp=_overlap_vjp,
    decompose=_overlap_decompose,
    traits=frozenset({"linear"}),
    batch=leading,
    samples=_overlap_samples,
    illegal=(
        Illegal((Type(_f32, (3, 2)),), {**_ATTRS, "lengths": (5,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {**_ATTRS, "lengths": (3,)}, ShapeError),
        Illegal((Type(dtypes.bool_, (3, 2)),), {**_ATTRS, "lengths": (4,)}, DTypeError),
    ),
)

TABLE = (windows, overlap_add)
