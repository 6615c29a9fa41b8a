"""The cross-entropy of a class under softmax, one number per row of scores.

    cross_entropy(x, i) = log Σ exp(x - max x) - (x[i] - max x) = -log softmax(x)[i]

Both terms are taken from the row's maximum, so an offset common to the row never costs a digit.
The gradient is probability minus truth. Evaluated it is one step; compiled it decomposes into
reductions of rows. Example: `cross_entropy(x, i)` with x (N, C) and int64 i (N,) gives (N,).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add, mul, neg, sub
from chainrule.ops.exponential import exp, log
from chainrule.ops.gather import check_bounds, check_index, classes, pick, unpick
from chainrule.ops.normalize import along, finite_max, shifted, softmax
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample
from chainrule.ops.reduce import sum_

_f32, _i64 = dtypes.float32, dtypes.int64


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    x, index = ins
    if x.dtype.kind != "float":
        raise DTypeError(f"cross_entropy needs float scores, not {x.dtype}; use x.float()")
    check_index(index, "cross_entropy")
    if not x.shape or x.shape[:-1] != index.shape:
        raise ShapeError(f"scores of {x.shape} need one class a row, not classes {index.shape}")
    return Type(x.dtype, index.shape)


def _cross_entropy(ins: Any, attrs: Attrs) -> Array:  # noqa: ARG001 - the signature
    x, index = ins
    check_bounds(index, x.shape[-1], f"cross_entropy over {x.shape[-1]} classes")
    e = x - finite_max(x, -1)
    chosen = np.take_along_axis(e, index[..., None], -1)[..., 0]
    np.exp(e, e)
    return np.asarray(np.log(np.add.reduce(e, axis=-1)) - chosen)


def _vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, None]:
    x, index = node.inputs
    axis = len(x.shape) - 1
    wide = b(mul, b(softmax, x, axis=axis), along(b, ct, x, axis))
    return b(add, wide, b(unpick, b(neg, ct), index, classes=x.shape[axis])), None


def _jvp(b: Builder, node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (x, index), moved = node.inputs, tangents[0]
    if moved is None:
        return None
    axis = len(x.shape) - 1
    mean = b(sum_, b(mul, b(softmax, x, axis=axis), moved), axes=(axis,))
    return b(sub, mean, b(pick, moved, index))


def _decompose(b: Builder, node: Node) -> Node:
    x, index = node.inputs
    axis = len(x.shape) - 1
    apart, top = shifted(b, x, axis)
    total = b(log, b(sum_, b(exp, apart), axes=(axis,)))
    return b(sub, total, b(sub, b(pick, x, index), top))


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return
    for shape in ((3, 4), (5,), (2, 3, 40), (0, 3), (1, 1)):
        x = np.asarray(rng.normal(0, 2, shape), dtype)
        yield Sample((x, np.asarray(rng.integers(0, shape[-1], shape[:-1]), np.int64)), {})
    wide = np.asarray(rng.normal(0, 2, (6, 8)), dtype)
    yield Sample((wide[::2, ::-1].T, rng.integers(0, 3, 16)[::2]), {})  # not contiguous
    far = np.array([[1e4, -1e4, 0], [-np.inf, 0, 1], [1e8] * 3, [0, np.nan, 1]], dtype)
    yield Sample((far, np.array([0, 1, 2, 1])), {}, smooth=False)


cross_entropy = Op(
    "cross_entropy",
    _infer,
    _cross_entropy,
    vjp=_vjp,
    jvp=_jvp,
    saves=(0, 1),
    decompose=_decompose,
    sends=("expand_dims(ct, -1) * (softmax(x) - one_hot(y, x))",),
    traits=frozenset({"rows"}),
    limits=classes,
    samples=_samples,
    illegal=(
        Illegal((Type(_f32, (3, 2)), Type(_i64, (2,))), {}, ShapeError),
        Illegal((Type(_f32, (3, 2)), Type(_f32, (3,))), {}, DTypeError),
        Illegal((Type(_i64, (3, 2)), Type(_i64, (3,))), {}, DTypeError),
    ),
)

TABLE = (cross_entropy,)
