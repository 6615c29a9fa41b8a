"""Renumbering of elements: reshape, transpose, slice and its gradient pad, overlay, concat.

Each is linear; slice/pad and concat/slice are each other's gradients. `overlay` is what writing
into a slice means: the base with the region's elements exchanged.
Example: `slice_(x, start=(0, 2), step=(1, 1), shape=(3, 2))` takes columns 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.comparison import where
from chainrule.ops.creation import filled, full
from chainrule.ops.record import (
    Array,
    Builder,
    Illegal,
    IndexMap,
    Made,
    Op,
    Pieces,
    Sample,
    Template,
    leading,
)

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32, _i64 = dtypes.float32, dtypes.int64
_TRAITS = frozenset({"index-map", "linear"})


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Small whole numbers, or bools."""
    return np.asarray(rng.integers(0, 2 if dtype.kind == "b" else 9, shape), dtype)


def _reshape_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    shape = attrs["shape"]
    if shapes.size(shape) != x.size or any(n < 0 for n in shape):
        raise ShapeError(f"shape {x.shape} ({x.size} elements) does not reshape to {shape}")
    return Type(x.dtype, shape)


def _reshape_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for old, new in (
        ((2, 6), (3, 4)), ((4,), (2, 1, 2)), ((1,), ()), ((), (1, 1)), ((0, 3), (5, 0)),
    ):  # fmt: skip
        yield Sample((draw(rng, old, dtype),), {"shape": new})
    yield Sample((draw(rng, (4, 3), dtype).T,), {"shape": (12,)})


def _reshape_view(
    attrs: Attrs,  # noqa: ARG001 - the signature
    view: shapes.View,
    shape: shapes.Shape,
) -> shapes.View | None:
    if view.is_contiguous:  # an empty one too
        return shapes.View(shape, shapes.contiguous_strides(shape), view.offset)
    return view.reshape(shape)


def _widened(b: Builder, node: Node, given: Examples) -> Node:
    """The attributes with one more leading axis in start, step and shape."""
    new = {"start": 0, "step": 1, "shape": given.size}
    attrs = {name: (new[name], *value) for name, value in node.attrs.items()}
    return b(node.op, *given.stacked(), **attrs)


def _reshape_along(node: Node, axis: int) -> tuple[int] | None:
    """An axis that keeps its size, with as much in front of it and behind it as before."""
    new, old = node.shape, node.inputs[0].shape
    around = shapes.size(new[:axis]), new[axis], shapes.size(new[axis + 1 :])
    for a, n in enumerate(old):
        if (shapes.size(old[:a]), n, shapes.size(old[a + 1 :])) == around:
            return (a,)
    return None


reshape: Op = Op(
    "reshape",
    _reshape_infer,
    Made(lambda attrs: methodcaller("reshape", attrs["shape"])),
    vjp=lambda b, node, ct: (b(reshape, ct, shape=node.inputs[0].shape),),
    lower=IndexMap(_reshape_view, _reshape_view),
    sends=("reshape(ct, x.shape)",),
    traits=_TRAITS,
    batch=_widened,
    along=_reshape_along,
    samples=_reshape_samples,
    illegal=(
        Illegal((Type(_f32, (4,)),), {"shape": (3,)}, ShapeError),
        Illegal((Type(_f32, (4,)),), {"shape": (-2, -2)}, ShapeError),
    ),
)


def _transpose_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    axes = attrs["axes"]
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"axes {axes} do not permute the {len(x.shape)} axes of {x.shape}")
    return Type(x.dtype, tuple(x.shape[a] for a in axes))


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order of axes that undoes another."""
    return tuple(axes.index(i) for i in range(len(axes)))


def _transpose_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    return (b(transpose, ct, axes=inverse(node.attrs["axes"])),)


def _transpose_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape, axes in (((2, 3), (1, 0)), ((2, 3, 4), (1, 2, 0)), ((), ()), ((0, 2), (1, 0))):
        yield Sample((draw(rng, shape, dtype),), {"axes": axes})


def _transpose_batch(b: Builder, node: Node, given: Examples) -> Node:
    return b(transpose, *given.nodes, axes=(0, *[a + 1 for a in node.attrs["axes"]]))


transpose: Op = Op(
    "transpose",
    _transpose_infer,
    Made(lambda attrs: methodcaller("transpose", attrs["axes"])),
    vjp=_transpose_vjp,
    lower=IndexMap(
        lambda attrs, view, shape: view.transpose(attrs["axes"]),  # noqa: ARG005 - the signature
        lambda attrs, view, shape: view.transpose(inverse(attrs["axes"])),  # noqa: ARG005
    ),
    sends=("transpose(ct, argsort(axes))",),
    traits=_TRAITS,
    batch=_transpose_batch,
    along=lambda node, axis: (node.attrs["axes"][axis],),
    samples=_transpose_samples,
    illegal=(Illegal((Type(_f32, (2, 3)),), {"axes": (0, 0)}, ShapeError),),
)


def _slice_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    start, step, shape = attrs["start"], attrs["step"], attrs["shape"]
    if not len(start) == len(step) == len(shape) == len(x.shape):
        raise ShapeError(f"slice of shape {x.shape} needs one start, step and size per axis")
    for a, s, n, limit in zip(start, step, shape, x.shape, strict=True):
        last = a + s * (n - 1)
        if n < 0 or (n and not (0 <= a < limit and 0 <= last < limit and s)):
            raise ShapeError(f"slice from {start} by {step} of {shape} leaves shape {x.shape}")
    return Type(x.dtype, shape)


@lru_cache(1 << 12)
def _region(start: shapes.Shape, step: shapes.Shape, shape: shapes.Shape) -> tuple[slice, ...]:
    """The NumPy index of a strided region (a negative step may end before the beginning)."""
    stops = (a + s * n for a, s, n in zip(start, step, shape, strict=True))
    return tuple(
        slice(a, None if stop < 0 else stop, s) if n else slice(0, 0)
        for a, s, n, stop in zip(start, step, shape, stops, strict=True)
    )


def _slice_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape, start, step, out in (
        ((5,), (1,), (2,), (2,)), ((4, 6), (0, 2), (1, 1), (4, 3)),
        ((4, 6), (3, 5), (-1, -2), (4, 3)), ((3,), (0,), (1,), (0,)), ((0,), (0,), (1,), (0,)),
        ((), (), (), ()), ((1,), (0,), (1,), (1,)),
    ):  # fmt: skip
        yield Sample((draw(rng, shape, dtype),), {"start": start, "step": step, "shape": out})
    attrs = {"start": (1, 0), "step": (2, 1), "shape": (2, 3)}
    yield Sample((draw(rng, (3, 4), dtype).T,), attrs)  # not contiguous


def _slice_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    attrs = node.attrs
    return (b(pad, ct, start=attrs["start"], step=attrs["step"], shape=node.inputs[0].shape),)


def _whole_axis(node: Node, axis: int) -> tuple[int] | None:
    """An axis that is neither cut nor moved."""
    attrs = node.attrs
    same = node.inputs[0].shape[axis] == node.shape[axis]
    return (axis,) if same and not attrs["start"][axis] and attrs["step"][axis] == 1 else None


slice_ = Op(
    "slice",
    _slice_infer,
    Made(lambda attrs: itemgetter(_region(attrs["start"], attrs["step"], attrs["shape"]))),
    vjp=_slice_vjp,
    lower=IndexMap(lambda attrs, view, shape: view.slice(attrs["start"], attrs["step"], shape)),
    traits=_TRAITS,
    batch=_widened,
    along=_whole_axis,
    samples=_slice_samples,
    illegal=(
        Illegal((Type(_f32, (3,)),), {"start": (2,), "step": (1,), "shape": (2,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {"start": (0,), "step": (-1,), "shape": (2,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {"start": (0,), "step": (0,), "shape": (2,)}, ShapeError),
        Illegal((Type(_f32, (3,)),), {"start": (), "step": (), "shape": ()}, ShapeError),
    ),
)


def _pad_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    whole = Type(x.dtype, attrs["shape"])
    _slice_infer((whole,), {"start": attrs["start"], "step": attrs["step"], "shape": x.shape})
    return whole


def _pad(ins: Any, attrs: Attrs) -> Array:
    (x,) = ins
    out = np.zeros(attrs["shape"], x.dtype)
    out[_region(attrs["start"], attrs["step"], x.shape)] = x
    return out


def _pad_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    attrs, shape = node.attrs, node.inputs[0].shape
    return (b(slice_, ct, start=attrs["start"], step=attrs["step"], shape=shape),)


def _pad_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for sample in _slice_samples(rng, dtype):
        attrs = {**sample.attrs, "shape": sample.inputs[0].shape}
        yield Sample((draw(rng, sample.attrs["shape"], dtype),), attrs)
    attrs = {"start": (1, 0), "step": (2, 1), "shape": (9, 3)}
    yield Sample((draw(rng, (3, 4), dtype).T,), attrs)  # not contiguous


pad = Op(
    "pad",
    _pad_infer,
    _pad,
    vjp=_pad_vjp,
    lower=Pieces(lambda node: [(node.attrs["start"], node.attrs["step"])]),
    traits=frozenset({"linear"}),
    batch=_widened,
    along=_whole_axis,
    samples=_pad_samples,
    illegal=(
        Illegal((Type(_f32, (3,)),), {"start": (2,), "step": (1,), "shape": (4,)}, ShapeError),
    ),
)


def _overlay_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    base, new = ins
    if new.dtype is not base.dtype:
        raise DTypeError(f"overlay of {new.dtype} on {base.dtype}: the dtypes must be equal")
    _slice_infer((base,), {**attrs, "shape": new.shape})
    return base


def _overlay(ins: Any, attrs: Attrs) -> Array:
    base, new = ins
    out = np.array(base, order="C")
    out[_region(attrs["start"], attrs["step"], new.shape)] = new
    return out


def _overlay_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    new, attrs = node.inputs[1], node.attrs
    hidden = b(overlay, ct, filled(b, 0, new), **attrs)
    return hidden, b(slice_, ct, **attrs, shape=new.shape)


def _overlay_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    parts = [t or filled(b, 0, x) for t, x in zip(tangents, node.inputs, strict=True)]
    return b(overlay, *parts, **node.attrs)


def _overlay_decompose(b: Builder, node: Node) -> Node:
    base, new = node.inputs
    attrs = {**node.attrs, "shape": node.shape}
    here = b(full, value=True, dtype=dtypes.bool_, shape=new.shape)
    return b(where, b(pad, here, **attrs), b(pad, new, **attrs), base)


def _overlay_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for sample in _slice_samples(rng, dtype):
        attrs = dict(sample.attrs)
        yield Sample((*sample.inputs, draw(rng, attrs.pop("shape"), dtype)), attrs)


overlay = Op(
    "overlay",
    _overlay_infer,
    _overlay,
    vjp=_overlay_vjp,
    jvp=_overlay_jvp,
    lower=Template("overlay"),
    decompose=_overlay_decompose,
    traits=frozenset({"linear", "in-place"}),
    batch=_widened,
    samples=_overlay_samples,
    illegal=(
        Illegal((Type(_f32, (3,)), Type(_f32, (2,))), {"start": (2,), "step": (1,)}, ShapeError),
        Illegal((Type(_f32, (3,)), Type(_i64, (2,))), {"start": (0,), "step": (1,)}, DTypeError),
    ),
)


def _concat_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    if not ins:
        raise ArgumentError("concat needs at least one array")
    axis, first = attrs["axis"], ins[0]
    if not 0 <= axis < len(first.shape):
        raise ShapeError(f"axis {axis} is not an axis of shape {first.shape}")
    for other in ins[1:]:
        if other.dtype is not first.dtype:
            raise DTypeError(f"concat needs equal dtypes, not {first.dtype} and {other.dtype}")
        if shapes.with_ones(other.shape, (axis,)) != shapes.with_ones(first.shape, (axis,)):
            _refuse_neighbours(first.shape, other.shape, axis)
    total = sum(t.shape[axis] for t in ins)
    return Type(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _refuse_neighbours(one: shapes.Shape, other: shapes.Shape, axis: int) -> NoReturn:
    """Raise with the axis along which two arrays differ, and the one that would join them."""
    apart = [i for i, (n, m) in enumerate(zip(one, other, strict=False)) if n != m and i != axis]
    text = f"concat along axis {axis} needs shapes equal elsewhere, not {one} and {other}"
    if len(one) != len(other) or one[axis] != other[axis] or len(apart) > 1:
        raise ShapeError(text, axis=apart[0] if apart else None)
    raise ShapeError(f"{text}\n  along axis {apart[0]} they would fit", axis=apart[0])


def _starts(node: Node) -> tuple[shapes.Shape, ...]:
    """Where each input of a concat begins in the result."""
    axis, rank, at = node.attrs["axis"], len(node.shape), 0
    out = []
    for child in node.inputs:
        out.append(tuple(at if i == axis else 0 for i in range(rank)))
        at += child.shape[axis]
    return tuple(out)


def _concat_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, ...]:
    ones = (1,) * len(node.shape)
    return tuple(
        b(slice_, ct, start=start, step=ones, shape=child.shape)
        for start, child in zip(_starts(node), node.inputs, strict=True)
    )


def _concat_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    parts = [t or filled(b, 0, x) for t, x in zip(tangents, node.inputs, strict=True)]
    return b(concat, *parts, axis=node.attrs["axis"])


def _concat_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for parts, axis in (
        (((2, 3), (2, 1)), 1), (((2, 3), (0, 3), (1, 3)), 0), (((4,),), 0), (((2, 3, 4),) * 3, 1),
        (((0, 2), (0, 3)), 1),
    ):  # fmt: skip
        yield Sample(tuple(draw(rng, s, dtype) for s in parts), {"axis": axis})
    yield Sample(tuple(draw(rng, (4, 3), dtype).T for _ in "xy"), {"axis": 0})  # not contiguous


def _side_by_side(node: Node) -> list[tuple[shapes.Shape, shapes.Shape]]:
    return [(start, (1,) * len(start)) for start in _starts(node)]


def _concat_along(node: Node, axis: int) -> tuple[int, ...] | None:
    return None if axis == node.attrs["axis"] else (axis,) * len(node.inputs)


concat = Op(
    "concat",
    _concat_infer,
    lambda ins, attrs: np.concatenate(ins, axis=attrs["axis"]),
    vjp=_concat_vjp,
    jvp=_concat_jvp,
    lower=Pieces(_side_by_side),
    traits=frozenset({"linear"}),
    batch=leading,
    along=_concat_along,
    samples=_concat_samples,
    illegal=(
        Illegal((Type(_f32, (2, 3)), Type(_f32, (3, 3))), {"axis": 1}, ShapeError),
        Illegal((Type(_f32, (2,)), Type(_i64, (2,))), {"axis": 0}, DTypeError),
        Illegal((Type(_f32, ()), Type(_f32, ())), {"axis": 0}, ShapeError),
        Illegal((), {"axis": 0}, ArgumentError),
    ),
)

TABLE = (reshape, transpose, slice_, pad, overlay, concat)
