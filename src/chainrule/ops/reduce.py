"""Reductions and broadcasting: each the other's gradient.

`sum_(broadcast_to(x))` adds up what was broadcast, so elementwise gradients never un-broadcast.
Reduced axes are removed. `amax`/`amin` share the gradient equally among ties, as PyTorch's do.
Example: `sum_(x, axes=(0,))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import AxisError, DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import div, mul
from chainrule.ops.cast import cast
from chainrule.ops.comparison import eq
from chainrule.ops.creation import strided
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.layout import reshape
from chainrule.ops.record import (
    OUT,
    Array,
    Builder,
    Illegal,
    IndexMap,
    Made,
    Op,
    Reduce,
    Sample,
    Template,
)

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32 = dtypes.float32


def _broadcast_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    shape = attrs["shape"]
    if shapes.broadcast(x.shape, shape) != shape:
        raise ShapeError(f"shape {x.shape} does not broadcast to {shape}")
    return Type(x.dtype, shape)


def _repeated_axes(inner: shapes.Shape, outer: shapes.Shape) -> shapes.Shape:
    lead = len(outer) - len(inner)
    return tuple(i for i, n in enumerate(outer) if i < lead or (inner[i - lead] == 1 and n != 1))


def _broadcast_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    inner = node.inputs[0].shape
    return (unbroadcast(b, ct, inner),)


def unbroadcast(b: Builder, ct: Node, shape: shapes.Shape) -> Node:
    """Sum `ct` over the axes along which `shape` was broadcast."""
    axes = _repeated_axes(shape, ct.shape)
    if axes:
        ct = b(sum_, ct, axes=axes)
    return ct if ct.shape == shape else b(reshape, ct, shape=shape)


def _broadcast_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for inner, outer in (
        ((3, 1), (3, 4)), ((), (2, 2)), ((5,), (2, 5)), ((1, 0), (3, 0)), ((1,), (0,)), ((), ()),
        ((1, 3, 1), (2, 3, 20)), ((2, 3), (2, 3)),
    ):  # fmt: skip
        yield Sample((np.asarray(rng.integers(0, 2, inner), dtype),), {"shape": outer})
    wide = np.asarray(rng.integers(0, 2, (6, 8)), dtype)
    yield Sample((wide[::2, ::-8].T,), {"shape": (2, 1, 3)})  # not contiguous


def _broadcast_batch(b: Builder, node: Node, given: Examples) -> Node:
    """New leading axes come behind that of the examples."""
    (x,), inner = given.nodes, node.inputs[0].shape
    ones = (1,) * (len(node.shape) - len(inner))
    wide = b(reshape, x, shape=(given.size, *ones, *inner))
    return b(broadcast_to, wide, shape=(given.size, *node.shape))


def _broadcast_along(node: Node, axis: int) -> tuple[int | None]:
    """An axis of the input; one that is repeated reads the input whole."""
    inner = node.inputs[0].shape
    at = axis - len(node.shape) + len(inner)
    return (at if at >= 0 and inner[at] == node.shape[axis] else None,)


def _broadcasting(attrs: Attrs) -> Callable[[Array], Array]:
    shape = attrs["shape"]

    def broadcast(x: Array) -> Array:
        if not x.flags.c_contiguous:
            return np.broadcast_to(x, shape)
        return strided(x, shape, _repeated(x.shape, x.strides, shape))

    return broadcast


@lru_cache(1 << 12)
def _repeated(inner: shapes.Shape, strides: shapes.Shape, outer: shapes.Shape) -> shapes.Shape:
    return shapes.View(inner, strides).broadcast_to(outer).strides


broadcast_to: Op = Op(
    "broadcast_to",
    _broadcast_infer,
    Made(_broadcasting),
    vjp=_broadcast_vjp,
    lower=IndexMap(lambda attrs, view, shape: view.broadcast_to(shape)),  # noqa: ARG005
    sends=("fold(ct, x)",),
    traits=frozenset({"index-map", "linear"}),
    batch=_broadcast_batch,
    along=_broadcast_along,
    samples=_broadcast_samples,
    illegal=(
        Illegal((Type(_f32, (3,)),), {"shape": (2,)}, ShapeError),
        Illegal((Type(_f32, (2, 3)),), {"shape": (3,)}, ShapeError),
    ),
)


def _check_axes(x: Type, attrs: Attrs) -> shapes.Shape:
    axes: shapes.Shape = attrs["axes"]
    if axes != shapes.normal_axes(axes, len(x.shape)):
        raise ShapeError(f"axes {axes} are not sorted axes of shape {x.shape}")
    return axes


def _broadcast_back(b: Builder, small: Node, node: Node) -> Node:
    """Broadcast a reduced node along the axes that `node` reduced."""
    big = node.inputs[0].shape
    kept = b(reshape, small, shape=shapes.with_ones(big, node.attrs["axes"]))
    return b(broadcast_to, kept, shape=big)


_ADDABLE = frozenset({dtypes.int64, dtypes.float32, dtypes.float64})


def _axis_samples(
    refused: frozenset[dtypes.DType], *, empty: bool
) -> Callable[[np.random.Generator, np.dtype[Any]], Iterable[Sample]]:
    """Distinct numbers in several shapes; then empty arrays, ties and nasty values."""

    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
        if dtypes.from_numpy(dtype) in refused:
            return
        for shape, axes in (
            ((3, 4), (1,)), ((3, 4), (0,)), ((2, 3, 19), (0, 2)), ((5,), (0,)), ((2, 3), (0, 1)),
            ((40, 1), (0,)), ((3, 70), (1,)), ((3, 4), ()), ((), ()), ((0, 3), (1,)),
        ):  # fmt: skip
            x = rng.permutation(shapes.size(shape)).reshape(shape) / 4.0
            yield Sample((np.asarray(x, dtype),), {"axes": axes})
        wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
        yield Sample((wide[::2, ::-1].T,), {"axes": (1,)})  # not contiguous
        if empty:
            yield Sample((np.zeros((0, 3), dtype),), {"axes": (0,)})
            yield Sample((np.zeros((3, 0), dtype),), {"axes": (1,)})
        yield Sample((np.zeros((2, 3), dtype),), {"axes": (1,)}, smooth=False)  # ties
        if dtype.kind == "f":
            x = np.array([[np.nan, 1, np.inf], [-np.inf, 2, 3]], dtype)
            yield Sample((x,), {"axes": (1,)}, smooth=False)
        else:
            info = np.iinfo(dtype)
            yield Sample((np.array([info.max, info.min, 1], dtype),), {"axes": (0,)}, smooth=False)

    return samples


def _sum_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    if x.dtype not in _ADDABLE:
        raise DTypeError(f"sum adds floats or int64, not {x.dtype}; use x.long()")
    return Type(x.dtype, shapes.reduced(x.shape, _check_axes(x, attrs)))


_PAIRWISE = 128  # terms of a block
_MOST_TERMS = 1024  # that one accumulator adds up


def _adding(attrs: Attrs) -> Callable[[Array], Array]:
    axes = attrs["axes"]

    def total(x: Array) -> Array:
        if x.size > _MOST_TERMS and x.dtype.kind == "f" and _terms(x, axes) > _MOST_TERMS:
            return _in_blocks(x, axes)
        return np.asarray(np.add.reduce(x, axes))

    return total


def _terms(x: Array, axes: tuple[int, ...]) -> int:
    """How many terms NumPy adds up with one accumulator: it halves along the inner axis only."""
    inner = min(range(x.ndim), key=lambda axis: abs(x.strides[axis]))
    return shapes.size([x.shape[axis] for axis in axes if axis != inner])


def _in_blocks(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum, axis by axis: of blocks of 128 terms, of blocks of such sums, and so on."""
    for axis in reversed(axes):
        while x.shape[axis] > 2 * _PAIRWISE:
            x = np.moveaxis(x, axis, 0)
            count = len(x) // _PAIRWISE
            blocks = x[: count * _PAIRWISE].reshape(count, _PAIRWISE, *x.shape[1:])
            parts, rest = np.add.reduce(blocks, 1), x[count * _PAIRWISE :]
            if len(rest):
                parts = np.concatenate([parts, np.add.reduce(rest, 0, keepdims=True)])
            x = np.moveaxis(parts, 0, axis)
        x = np.add.reduce(x, axis)
    return np.asarray(x)


_WRONG_AXES = tuple(
    Illegal((Type(_f32, (2, 3)),), {"axes": axes}, error)
    for axes, error in (((2,), AxisError), ((-1,), ShapeError), ((1, 0), ShapeError))
)

sum_ = Op(
    "sum",
    _sum_infer,
    Made(_adding),
    vjp=lambda b, node, ct: (_broadcast_back(b, ct, node),),
    lower=Reduce("add"),
    sends=("broadcast_to(expand_dims(ct, axes), x.shape)",),
    traits=frozenset({"reduction", "linear"}),
    samples=_axis_samples(frozenset(dtypes.ALL) - _ADDABLE, empty=True),
    illegal=(*_WRONG_AXES, Illegal((Type(dtypes.int32, (2,)),), {"axes": (0,)}, DTypeError)),
)


def _extreme(name: str, fn: np.ufunc, monoid: str) -> Op:
    def infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
        (x,) = ins
        need_kind(name, x.dtype, NUMBERS)
        axes = _check_axes(x, attrs)
        if any(x.shape[a] == 0 for a in axes) and shapes.size(shapes.reduced(x.shape, axes)):
            raise AxisError(f"{name} of no elements: shape {x.shape} along axes {axes}")
        return Type(x.dtype, shapes.reduced(x.shape, axes))

    def numpy(ins: Any, attrs: Attrs) -> Array:
        (x,) = ins
        if not x.size:
            return np.empty(shapes.reduced(x.shape, attrs["axes"]), x.dtype)
        return np.asarray(fn.reduce(x, axis=attrs["axes"]))

    def winners(b: Builder, node: Node) -> Node:
        """The weights of the subgradient: 1 / number of winners at each winner, 0 elsewhere."""
        mask = b(cast, b(eq, node.inputs[0], _broadcast_back(b, node, node)), dtype=node.dtype)
        return b(div, mask, _broadcast_back(b, b(sum_, mask, axes=node.attrs["axes"]), node))

    def jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
        assert tangents[0] is not None
        return b(sum_, b(mul, tangents[0], winners(b, node)), axes=node.attrs["axes"])

    return Op(
        name,
        infer,
        numpy,
        vjp=lambda b, node, ct: (b(mul, _broadcast_back(b, ct, node), winners(b, node)),),
        jvp=jvp,
        saves=(0, OUT),
        lower=Reduce(monoid),
        decisions=lambda ins, attrs: ins[0] == np.expand_dims(numpy(ins, attrs), attrs["axes"]),
        traits=frozenset({"reduction"}),
        samples=_axis_samples(frozenset({dtypes.bool_}), empty=False),
        illegal=(
            *_WRONG_AXES,
            Illegal((Type(_f32, (0,)),), {"axes": (0,)}, AxisError),
            Illegal((Type(dtypes.bool_, (2,)),), {"axes": (0,)}, DTypeError),
        ),
    )


amax = _extreme("amax", np.maximum, "max")
amin = _extreme("amin", np.minimum, "min")


def _argmax_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,) = ins
    axis = attrs["axis"]
    need_kind("argmax", x.dtype, NUMBERS)
    if not 0 <= axis < len(x.shape):
        raise ShapeError(f"axis {axis} is not an axis of shape {x.shape}")
    if x.shape[axis] == 0:
        raise AxisError(f"argmax of no elements: shape {x.shape} along axis {axis}")
    return Type(dtypes.int64, shapes.reduced(x.shape, (axis,)))


def _argmax_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for shape, axis in (
        ((3, 4), 1), ((3, 4), 0), ((5,), 0), ((2, 40), 1), ((2, 3, 2), 1), ((1,), 0), ((0, 2), 1),
    ):  # fmt: skip
        yield Sample((np.asarray(rng.integers(0, 3, shape), dtype),), {"axis": axis})
    wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
    yield Sample((wide[::2, ::-1].T,), {"axis": 1})  # not contiguous
    if dtype.kind == "f":
        nasty = np.array([[1, np.nan, np.nan], [-np.inf] * 3, [0, np.inf, np.inf]], dtype)
        yield Sample((nasty,), {"axis": 1}, smooth=False)


argmax = Op(
    "argmax",
    _argmax_infer,
    lambda ins, attrs: np.asarray(np.argmax(ins[0], axis=attrs["axis"])),
    vjp=lambda b, node, ct: (None,),  # noqa: ARG005 - the rule's signature
    lower=Template("argmax"),
    decisions=lambda ins, attrs: np.argmax(ins[0], axis=attrs["axis"]),
    traits=frozenset({"reduction"}),
    samples=_argmax_samples,
    illegal=(
        Illegal((Type(_f32, (2,)),), {"axis": 1}, ShapeError),
        Illegal((Type(_f32, (2, 0)),), {"axis": 1}, AxisError),
        Illegal((Type(dtypes.bool_, (2,)),), {"axis": 0}, DTypeError),
    ),
)

TABLE = (broadcast_to, sum_, amax, amin, argmax)
