"""Constants: a full array, an index ramp; and `detach`, the identity that cuts the gradient.

Example: `full(value=2.0, dtype=float32, shape=(3,))`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType, from_numpy
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.record import Array, Builder, Illegal, Map, Op, Sample

_f32 = dtypes.float32


def strided(x: Any, shape: Shape, strides: Shape) -> Array:
    """The elements of a contiguous array seen under another shape and byte strides."""
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _fits(value: float, dtype: DType) -> bool:
    if dtype.kind == "bool":
        return value in {False, True}
    info = np.iinfo(dtype.numpy)
    return info.min <= value <= info.max and value == int(value)


def _full_infer(ins: tuple[Any, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    dtype, shape = attrs["dtype"], attrs["shape"]
    if dtype.kind != "float" and not _fits(attrs["value"], dtype):
        raise ArgumentError(f"{attrs['value']!r} is not a value of {dtype}")
    if shape and min(shape) < 0:
        raise ShapeError(f"shape {shape} has a negative size")
    return Type(dtype, shape)


def _full(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the op's signature
    shape = attrs["shape"]
    with np.errstate(over="ignore"):  # beyond float32 it is infinite
        value = np.array(attrs["value"], attrs["dtype"].numpy)
    return strided(value, shape, (0,) * len(shape))


def _full_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    wanted = from_numpy(dtype)
    for shape in ((2, 3), (), (1,), (0, 2)):
        yield Sample((), {"value": int(rng.integers(2)), "dtype": wanted, "shape": shape})
    for value in (-0.5, np.inf, -np.inf, np.nan, 1e-320) if dtype.kind == "f" else ():
        yield Sample((), {"value": value, "dtype": wanted, "shape": (2, 18)}, smooth=False)
    if dtype.kind in "iu":
        for value in (np.iinfo(dtype).min, np.iinfo(dtype).max):
            yield Sample((), {"value": int(value), "dtype": wanted, "shape": (3,)}, smooth=False)


full = Op(
    "full",
    _full_infer,
    _full,
    vjp=lambda b, node, ct: (),  # noqa: ARG005 - the rule's signature
    lower=Map(lambda k, node: k("const", attr=(node.attrs["value"], node.dtype))),
    traits=frozenset({"elementwise", "constant"}),
    samples=_full_samples,
    illegal=(
        Illegal((), {"value": 256, "dtype": dtypes.uint8, "shape": (2,)}, ArgumentError),
        Illegal((), {"value": 0.5, "dtype": dtypes.int64, "shape": (2,)}, ArgumentError),
        Illegal((), {"value": np.nan, "dtype": dtypes.int32, "shape": (2,)}, ArgumentError),
        Illegal((), {"value": 2, "dtype": dtypes.bool_, "shape": (2,)}, ArgumentError),
        Illegal((), {"value": 0.0, "dtype": _f32, "shape": (-1,)}, ShapeError),
    ),
)


def filled(b: Builder, value: float, like: Node) -> Node:
    """A node full of `value` with the type of `like`."""
    return b(full, value=value, dtype=like.dtype, shape=like.shape)


def _iota_infer(ins: tuple[Any, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    shape, axis = attrs["shape"], attrs["axis"]
    if not 0 <= axis < len(shape) or min(shape) < 0:
        raise ShapeError(f"iota along axis {axis} of shape {shape}, which has no such axis")
    if attrs["dtype"].kind == "bool":
        raise DTypeError("iota counts in numbers, not bools; use dtype=int64")
    return Type(attrs["dtype"], shape)


def _iota(ins: Sequence[Any], attrs: Attrs) -> Array:  # noqa: ARG001 - the op's signature
    shape, axis = attrs["shape"], attrs["axis"]
    ramp = np.arange(shape[axis], dtype=np.int64).astype(attrs["dtype"].numpy)
    strides = tuple(ramp.itemsize if i == axis else 0 for i in range(len(shape)))
    return strided(ramp, shape, strides)


def _iota_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:  # noqa: ARG001
    if dtype.kind == "b":
        return
    for shape, axis in (((2, 5), 0), ((2, 5), 1), ((0, 2), 1), ((0, 2), 0), ((1,), 0), ((300,), 0)):
        yield Sample((), {"dtype": from_numpy(dtype), "shape": shape, "axis": axis})


iota = Op(
    "iota",
    _iota_infer,
    _iota,
    vjp=lambda b, node, ct: (),  # noqa: ARG005 - the rule's signature
    lower=Map(lambda k, node: k("cast", k("position", attr=node.attrs["axis"]), attr=node.dtype)),
    traits=frozenset({"elementwise", "constant", "positional"}),
    below=lambda attrs: int(attrs["shape"][attrs["axis"]]),
    along=lambda node, axis: None if axis == node.attrs["axis"] else (),
    samples=_iota_samples,
    illegal=(
        Illegal((), {"dtype": dtypes.int64, "shape": (2,), "axis": 1}, ShapeError),
        Illegal((), {"dtype": dtypes.int64, "shape": (), "axis": 0}, ShapeError),
        Illegal((), {"dtype": dtypes.bool_, "shape": (2,), "axis": 0}, DTypeError),
    ),
)


def _any_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape in ((3, 2), (), (1,), (0, 2)):
        yield Sample((np.asarray(rng.integers(0, 2, shape), dtype),), {})


detach = Op(
    "detach",
    lambda ins, attrs: ins[0],  # noqa: ARG005 - the rule's signature
    lambda ins, _: ins[0],
    vjp=lambda b, node, ct: (None,),  # noqa: ARG005 - the rule's signature
    lower=Map(lambda k, node, x: x),  # noqa: ARG005 - the signature
    traits=frozenset({"elementwise", "cut"}),
    cost="cheap",
    samples=_any_samples,
)

TABLE = (full, iota, detach)
