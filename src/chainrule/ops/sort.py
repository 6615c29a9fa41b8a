"""The stable order of the elements along the last axis, NaN counting as the largest number.

Evaluated it is a sort. Compiled, an element's rank is the number of elements that come before it,
counted in one reduction that keeps nothing of its n × n comparisons in memory; the order is the
ranks turned round. Longer axes are cut into runs of 256, which are merged two by two: in a pair, an
element's place is its own plus the number that come before it in the other run, by binary search.
The first k of a long axis come from the first k of each of its blocks, until
one block is left: n · max(32, 4k) comparisons in all, about.
Example: `argsort(x, descending=False)` of [3, 1, 2] is [1, 2, 0]; `topk(x, k=1)` of it is [0].
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add, floor_divide, mul, remainder, sub
from chainrule.ops.cast import cast
from chainrule.ops.compare import (
    eq,
    ge,
    gt,
    le,
    logical_and,
    logical_not,
    logical_or,
    lt,
    ne,
    no_gradient,
    where,
)
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.fill import filled, full, iota
from chainrule.ops.layout import concat, reshape, slice_
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample
from chainrule.ops.reduce import broadcast_to, sum_
from chainrule.ops.select import gather, scatter_add

_i64, _f32 = dtypes.int64, dtypes.float32
_RUN = 256  # elements that are ordered by comparing each with each before merging begins
_LONG = 2048  # a longer axis is merged


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    (x,) = ins
    need_kind("argsort", x.dtype, NUMBERS)
    if not x.shape:
        raise ShapeError("argsort orders the last axis, and a scalar has none")
    return Type(_i64, x.shape)


def _argsort(ins: Any, attrs: Attrs) -> Array:
    (x,) = ins
    if not attrs["descending"]:
        return np.asarray(np.argsort(x, axis=-1, kind="stable"))
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")
    return np.asarray(x.shape[-1] - 1 - backwards[..., ::-1])


def comes_before(b: Builder, x: Node, y: Node, *, descending: bool) -> tuple[Node, Node]:
    """Whether y comes strictly before x in the order of values, and whether they are equal."""
    less, same = b(gt if descending else lt, y, x), b(eq, y, x)
    if x.dtype.kind != "float":
        return less, same
    x_nan, y_nan = b(ne, x, x), b(ne, y, y)
    first, second = (y_nan, x_nan) if descending else (x_nan, y_nan)
    less = b(logical_or, less, b(logical_and, first, b(logical_not, second)))
    return less, b(logical_or, same, b(logical_and, x_nan, y_nan))


def _places(b: Builder, index: Node, size: int) -> Node:
    """Row · size + index of a matrix of indices: places in the flattened rows."""
    row = b(iota, dtype=_i64, shape=index.shape, axis=0)
    return b(add, b(mul, row, filled(b, size, row)), index)


def _ordered(b: Builder, x: Node, *, descending: bool) -> Node:
    """The order of each row of a matrix, by counting ranks."""
    rows, size = x.shape
    wide, flat = (rows, size, size), (rows * size,)
    mine = b(broadcast_to, b(reshape, x, shape=(rows, size, 1)), shape=wide)
    other = b(broadcast_to, b(reshape, x, shape=(rows, 1, size)), shape=wide)
    less, same = comes_before(b, mine, other, descending=descending)
    there = b(iota, dtype=_i64, shape=wide, axis=2)
    earlier = b(lt, there, b(iota, dtype=_i64, shape=wide, axis=1))
    comes = b(logical_or, less, b(logical_and, same, earlier))
    rank = b(sum_, b(cast, comes, dtype=_i64), axes=(2,))
    place = b(reshape, _places(b, rank, size), shape=flat)
    numbers = b(reshape, b(iota, dtype=_i64, shape=x.shape, axis=1), shape=flat)
    return b(reshape, b(scatter_add, numbers, place, rows=rows * size), shape=x.shape)


def _rank_in(b: Builder, x: Node, table: Node, start: Node, size: int, **how: Any) -> Node:
    """How many of the `size` sorted elements of `table` from `start` come before each x.

    A binary search without branches; `after` (a mask) counts equal elements as well.
    """
    after, descending = how["after"], how["descending"]
    count, step = filled(b, 0, start), size
    while step:
        further = b(add, count, filled(b, step, count))
        inside = b(le, further, filled(b, size, count))
        last = b(where, inside, b(add, further, filled(b, -1, count)), filled(b, 0, count))
        other = b(gather, table, b(add, start, last))
        less, same = comes_before(b, x, other, descending=descending)
        less = b(logical_or, less, b(logical_and, same, after))
        count = b(where, b(logical_and, inside, less), further, count)
        step //= 2
    return count


def _merge(b: Builder, x: Node, order: Node, size: int, *, descending: bool) -> Node:
    """Sorted runs of `size`, flat places each, merged two by two into runs of twice that."""
    at = b(iota, dtype=_i64, shape=order.shape, axis=0)
    two, one = filled(b, 2 * size, at), filled(b, size, at)
    base = b(mul, b(floor_divide, at, two), two)
    inner = b(remainder, at, one)
    right = b(ge, b(remainder, at, two), one)
    table = b(gather, x, order)
    sibling = b(add, base, b(where, right, filled(b, 0, at), one))
    before = _rank_in(b, table, table, sibling, size, after=right, descending=descending)
    place = b(add, base, b(add, inner, before))
    return b(scatter_add, order, place, rows=order.shape[0])


def _by_merging(b: Builder, x: Node, *, descending: bool) -> Node:
    """The order of long rows: short runs by rank, then merged two by two."""
    rows, size = x.shape
    runs = 1
    while runs * _RUN < size:
        runs *= 2
    long = runs * _RUN
    if long != size:
        worst = _last_of_all(x, descending=descending)
        beyond = b(full, value=worst, dtype=x.dtype, shape=(rows, long - size))
        x = b(concat, x, beyond, axis=1)
    first = _ordered(b, b(reshape, x, shape=(rows * runs, _RUN)), descending=descending)
    order = b(reshape, _places(b, first, _RUN), shape=(rows * long,))
    flat = b(reshape, x, shape=(rows * long,))
    width = _RUN
    while width < long:
        order = _merge(b, flat, order, width, descending=descending)
        width *= 2
    whole = b(reshape, order, shape=(rows, long))
    start = b(iota, dtype=_i64, shape=whole.shape, axis=0)
    within = b(sub, whole, b(mul, start, filled(b, long, start)))
    return b(slice_, within, start=(0, 0), step=(1, 1), shape=(rows, size))


def _matrix(b: Builder, x: Node) -> Node:
    size = x.shape[-1]
    return b(reshape, x, shape=(x.array.size // max(size, 1), size))


def _expand(b: Builder, node: Node) -> Node:
    (x,) = node.inputs
    if node.array.size == 0:
        return b(iota, dtype=_i64, shape=node.shape, axis=len(node.shape) - 1)
    sort = _by_merging if node.shape[-1] > _LONG else _ordered
    order = sort(b, _matrix(b, x), descending=node.attrs["descending"])
    return b(reshape, order, shape=node.shape)


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for descending in (False, True):
        attrs = {"descending": descending}
        for shape in ((3, 4), (17,), (2, 3, 2), (1,), (0, 3), (2, 0)):
            yield Sample((np.asarray(rng.integers(0, 9, shape), dtype),), attrs)
        wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
        yield Sample((wide[::2, ::-1].T,), attrs)  # not contiguous
        if dtype.kind == "f":
            nasty = np.array([[0.0, np.nan, np.inf, -0.0, np.nan, -np.inf, 1]], dtype)
            yield Sample((nasty,), attrs, smooth=False)


argsort = Op(
    "argsort",
    _infer,
    _argsort,
    vjp=no_gradient,
    expand=_expand,
    samples=_samples,
    illegal=(
        Illegal((Type(_f32, ()),), {"descending": False}, ShapeError),
        Illegal((Type(dtypes.bool_, (2,)),), {"descending": False}, DTypeError),
    ),
)


def _topk_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    (x,), k = ins, attrs["k"]
    need_kind("topk", x.dtype, NUMBERS)
    if not x.shape or not 0 <= k <= x.shape[-1]:
        raise ShapeError(f"the first {k} of an axis that has fewer: shape {x.shape}")
    return Type(_i64, (*x.shape[:-1], k))


def _topk(ins: Any, attrs: Attrs) -> Array:
    (x,), k, descending = ins, attrs["k"], attrs["descending"]
    size = x.shape[-1]
    if k == 0 or 4 * k > size or x.size == 0:
        return np.ascontiguousarray(_argsort(ins, attrs)[..., :k])
    last = size - k if descending else k - 1
    edge = np.partition(x, last, axis=-1)[..., last : last + 1]
    same = (x == edge) | ((x != x) & (edge != edge))  # noqa: PLR0124 - NaN
    if descending:
        inside = (x > edge) | ((x != x) & (edge == edge))  # noqa: PLR0124
    else:
        inside = (x < edge) | ((x == x) & (edge != edge))  # noqa: PLR0124
    missing = k - inside.sum(-1, keepdims=True)
    inside |= same & (np.cumsum(same, axis=-1) <= missing)
    found = np.nonzero(inside)[-1].reshape(*x.shape[:-1], k)
    order = _argsort([np.take_along_axis(x, found, -1)], attrs)
    return np.take_along_axis(found, order, -1)


def _gathered(b: Builder, x: Node, index: Node) -> Node:
    """Of each row of a matrix the elements at a row of indices."""
    rows, size = x.shape
    return b(gather, b(reshape, x, shape=(rows * size,)), _places(b, index, size))


def _first(b: Builder, x: Node, k: int, *, descending: bool) -> Node:
    """The places of the first k of each row, in order."""
    order = _ordered(b, x, descending=descending)
    return b(slice_, order, start=(0, 0), step=(1, 1), shape=(x.shape[0], k))


def _last_of_all(x: Node, *, descending: bool) -> float:
    """A value that nothing comes after."""
    if x.dtype.kind == "float":
        return -math.inf if descending else math.nan
    limits = np.iinfo(x.dtype.numpy)
    return int(limits.min if descending else limits.max)


def _best(b: Builder, x: Node, k: int, *, descending: bool) -> Node:
    """As `_first`, block by block where rows are long: ties keep their order throughout."""
    rows, size = x.shape
    block = max(32, 4 * k)
    if size <= block:
        return _first(b, x, k, descending=descending)
    blocks = -(-size // block)
    if blocks * block != size:
        worst = _last_of_all(x, descending=descending)
        beyond = b(full, value=worst, dtype=x.dtype, shape=(rows, blocks * block - size))
        x = b(concat, x, beyond, axis=1)
    parts = b(reshape, x, shape=(rows * blocks, block))
    kept = _first(b, parts, k, descending=descending)
    values = b(reshape, _gathered(b, parts, kept), shape=(rows, blocks * k))
    inner = b(reshape, kept, shape=(rows, blocks, k))
    number = b(iota, dtype=_i64, shape=inner.shape, axis=1)
    inner = b(add, inner, b(mul, number, filled(b, block, number)))
    final = _best(b, values, k, descending=descending)
    return _gathered(b, b(reshape, inner, shape=(rows, blocks * k)), final)


def _topk_expand(b: Builder, node: Node) -> Node:
    (x,) = node.inputs
    if node.array.size == 0:
        return b(iota, dtype=_i64, shape=node.shape, axis=len(node.shape) - 1)
    found = _best(b, _matrix(b, x), node.attrs["k"], descending=node.attrs["descending"])
    return b(reshape, found, shape=node.shape)


def _topk_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for descending in (False, True):
        for shape, k in (((3, 4), 2), ((2, 2, 5), 5), ((1,), 1), ((3,), 0), ((0, 3), 2)):
            x = np.asarray(rng.integers(0, 9, shape), dtype)
            yield Sample((x,), {"descending": descending, "k": k})
        wide = np.asarray(rng.permutation(48).reshape(6, 8), dtype)
        yield Sample((wide[::2, ::-1].T,), {"descending": descending, "k": 2})  # not contiguous
        long = np.asarray(rng.integers(0, 40, (2, 70)), dtype)
        yield Sample((long,), {"descending": descending, "k": 3})
        if dtype.kind == "f":
            nasty = np.where(long < 2, np.nan, np.where(long < 35, np.inf, -np.inf)).astype(dtype)
            worst = np.full((1, 70), -np.inf if descending else np.nan, dtype)
            for x in (nasty, worst):
                yield Sample((x,), {"descending": descending, "k": 5}, smooth=False)


topk = Op(
    "topk",
    _topk_infer,
    _topk,
    vjp=no_gradient,
    expand=_topk_expand,
    samples=_topk_samples,
    illegal=(
        Illegal((Type(_f32, (2,)),), {"descending": True, "k": 3}, ShapeError),
        Illegal((Type(_f32, ()),), {"descending": True, "k": 0}, ShapeError),
        Illegal((Type(dtypes.bool_, (2,)),), {"descending": True, "k": 1}, DTypeError),
    ),
)

TABLE = (argsort, topk)
