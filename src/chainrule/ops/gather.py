"""Reading and adding by index: gather/scatter_add of rows, pick/unpick of one element per row.

Each pair are each other's gradients. Indices must be in range: PyTorch's negative indices were
made non-negative before. Example: an embedding is `gather(table, tokens)`.

Two ops are made by the compiler only: `index_add(w, x, i)` = w + scatter_add(x, i), which visits no
other row of w; `spread_rows(x, i)` = gather(x, i), fused into the update that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, IndexBoundsError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add
from chainrule.ops.cast import cast
from chainrule.ops.comparison import eq, where
from chainrule.ops.creation import filled, iota
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.layout import reshape
from chainrule.ops.record import Array, Builder, Illegal, Limit, Op, Sample, Template, leading
from chainrule.ops.reduce import broadcast_to, sum_

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32, _i64 = dtypes.float32, dtypes.int64


def check_index(index: Type, what: str) -> None:
    """Raise `DTypeError` unless the indices are int64."""
    if index.dtype is not _i64:
        raise DTypeError(f"{what} needs int64 indices, not {index.dtype}; use index.long()")


def check_bounds(index: Array, limit: int, what: str) -> None:
    """Raise `IndexBoundsError` naming the first index outside 0 … limit-1 and its position."""
    if index.size and (index.min() < 0 or index.max() >= limit):
        bad = np.argwhere((index < 0) | (index >= limit))[0]
        wrong, place = int(index[tuple(bad)]), tuple(int(i) for i in bad)
        raise IndexBoundsError(
            f"{what}: index {wrong} at position {place} is outside 0 to {limit - 1}",
            found=(wrong, f"at position {place}"),
        )


def _gather_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    table, index = ins
    check_index(index, "gather")
    if not table.shape:
        raise ShapeError("gather needs a table with at least one axis, not a scalar")
    return Type(table.dtype, index.shape + table.shape[1:])


def _rows_of_table(types: tuple[Type, ...], attrs: Attrs) -> list[Limit]:  # noqa: ARG001
    return [Limit(1, types[0].shape[0])]


def _gather(ins: Any, attrs: Attrs) -> Array:  # noqa: ARG001 - the op's signature
    table, index = ins
    check_bounds(index, table.shape[0], f"gather from {table.shape[0]} rows")
    return np.asarray(table[index])


def _gather_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, None]:
    return b(scatter_add, ct, node.inputs[1], rows=node.inputs[0].shape[0]), None


def _rows_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    assert tangents[0] is not None
    return b(node.op, tangents[0], node.inputs[1], **node.attrs)


def _gather_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for table, index in (
        ((7, 3), (2, 4)), ((5,), (6,)), ((3, 2, 20), ()), ((2, 3), (0,)), ((3,), ()), ((1,), (1,)),
        ((2, 0), (3,)),
    ):  # fmt: skip
        x = np.asarray(rng.integers(0, 2, table), dtype)
        yield Sample((x, np.asarray(rng.integers(0, table[0], index), np.int64)), {})
    wide = np.asarray(rng.integers(0, 2, (6, 8)), dtype)
    yield Sample((wide[::2, ::-1].T, rng.integers(0, 8, (4, 6))[:, ::2].T), {})  # not contiguous


def _gather_along(node: Node, axis: int) -> tuple[int | None, int | None]:
    indexed = len(node.inputs[1].shape)
    return (None, axis) if axis < indexed else (axis - indexed + 1, None)


def _gather_batch(b: Builder, node: Node, given: Examples) -> Node:
    if not given.mapped[0]:
        return b(gather, *given.nodes)
    table, index = given.stacked()
    return b(gather, given.merged(table), given.rows(index, node.inputs[0].shape[0]))


gather: Op = Op(
    "gather",
    _gather_infer,
    _gather,
    vjp=_gather_vjp,
    jvp=_rows_jvp,
    saves=(1,),
    lower=Template("gather", fused=True),
    batch=_gather_batch,
    limits=_rows_of_table,
    along=_gather_along,
    samples=_gather_samples,
    illegal=(
        Illegal((Type(_f32, (3, 2)), Type(_f32, (2,))), {}, DTypeError),
        Illegal((Type(_f32, ()), Type(_i64, (2,))), {}, ShapeError),
    ),
)


_MANY = 32768  # float32 updates that are added up one after another, at most


def _scatter_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    updates, index = ins
    check_index(index, "scatter_add")
    if updates.shape[: len(index.shape)] != index.shape:
        raise ShapeError(f"scatter_add of {updates.shape} needs leading axes {index.shape}")
    need_kind("scatter_add", updates.dtype, NUMBERS)
    return Type(updates.dtype, (attrs["rows"], *updates.shape[len(index.shape) :]))


def _scatter(ins: Any, attrs: Attrs) -> Array:
    updates, index = ins
    rows, rest = attrs["rows"], updates.shape[index.ndim :]
    check_bounds(index, rows, f"scatter_add into {rows} rows")
    out = np.zeros((rows, *rest), updates.dtype)
    flat = index.reshape(-1)
    if flat.size:
        # Sorted segments: one pass, and a fixed order of addition
        order = np.argsort(flat, kind="stable")
        starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
        pieces = updates.reshape(flat.size, *rest)[order]
        many = flat.size > _MANY and updates.dtype.kind == "f"
        wide = np.float64 if many else updates.dtype
        out[flat[order[starts]]] = np.add.reduceat(pieces, starts, axis=0, dtype=wide)
    return out


def _scatter_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "b":
        return
    for index, rest, rows in (
        ((2, 4), (3,), 5), ((6,), (), 4), ((), (2,), 3), ((0,), (2,), 3), ((), (), 1),
        ((0,), (2,), 0), ((40,), (17,), 3), ((2,), (0,), 2),
    ):  # fmt: skip
        x = np.asarray(rng.integers(0, 9, index + rest), dtype)
        yield Sample((x, np.asarray(rng.integers(0, rows or 1, index), np.int64)), {"rows": rows})
    wide = np.asarray(rng.integers(0, 9, (6, 8)), dtype)
    yield Sample((wide[::2, ::-1].T, rng.integers(0, 3, 16)[::2]), {"rows": 4})  # not contiguous


def _scatter_batch(b: Builder, node: Node, given: Examples) -> Node:
    (updates, index), rows = given.stacked(), node.attrs["rows"]
    out = b(scatter_add, updates, given.rows(index, rows), rows=given.size * rows)
    return given.divided(out, node.shape)


scatter_add: Op = Op(
    "scatter_add",
    _scatter_infer,
    _scatter,
    vjp=lambda b, node, ct: (b(gather, ct, node.inputs[1]), None),
    jvp=_rows_jvp,
    saves=(1,),
    lower=Template("scatter_add"),
    batch=_scatter_batch,
    limits=lambda types, attrs: [Limit(1, attrs["rows"])],  # noqa: ARG005 - the signature
    samples=_scatter_samples,
    illegal=(
        Illegal((Type(_f32, (3, 2)), Type(_i64, (2,))), {"rows": 4}, ShapeError),
        Illegal((Type(_f32, (3, 2)), Type(_f32, (3,))), {"rows": 4}, DTypeError),
        Illegal((Type(dtypes.bool_, (3, 2)), Type(_i64, (3,))), {"rows": 4}, DTypeError),
    ),
)


def _index_add_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    base, updates, index = ins
    if not base.shape:
        raise ShapeError("index_add needs a base with at least one axis, not a scalar")
    rows = _scatter_infer((updates, index), {"rows": base.shape[0]})
    if rows != base:
        raise ShapeError(f"index_add of rows {rows} to {base}: dtypes and rows must be equal")
    return base


def _index_add_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for sample in _scatter_samples(rng, dtype):
        updates, index = sample.inputs
        shape = (sample.attrs["rows"], *updates.shape[index.ndim :])
        yield Sample((np.asarray(rng.integers(0, 9, shape), dtype), updates, index), {})


index_add = Op(
    "index_add",
    _index_add_infer,
    lambda ins, _: np.add(ins[0], _scatter(ins[1:], {"rows": ins[0].shape[0]})),
    saves=(2,),
    lower=Template("index_add"),
    decompose=lambda b, node: b(
        add, node.inputs[0], b(scatter_add, *node.inputs[1:], rows=node.shape[0])
    ),
    traits=frozenset({"in-place"}),
    limits=lambda types, attrs: [Limit(2, types[0].shape[0])],  # noqa: ARG005 - the signature
    samples=_index_add_samples,
    illegal=(
        Illegal((Type(_f32, ()), Type(_f32, (2,)), Type(_i64, (2,))), {}, ShapeError),
        Illegal((Type(_f32, (4, 3)), Type(_f32, (2, 2)), Type(_i64, (2,))), {}, ShapeError),
        Illegal((Type(_f32, (4,)), Type(_f32, (2,)), Type(_f32, (2,))), {}, DTypeError),
    ),
)

spread_rows = Op(
    "spread_rows",
    _gather_infer,
    _gather,
    saves=(1,),
    lower=Template("gather", fused=True),
    decompose=lambda b, node: b(gather, *node.inputs),
    traits=frozenset({"slots"}),
    limits=_rows_of_table,
    samples=_gather_samples,
    illegal=gather.illegal,
)


def _one_hot(b: Builder, index: Node, shape: tuple[int, ...]) -> Node:
    """Bool mask of `shape`, true where the last axis' position equals `index`."""
    positions = b(iota, dtype=_i64, shape=shape, axis=len(shape) - 1)
    wide = b(broadcast_to, b(reshape, index, shape=(*index.shape, 1)), shape=shape)
    return b(eq, positions, wide)


def _pick_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    x, index = ins
    check_index(index, "pick")
    if x.shape[:-1] != index.shape or not x.shape:
        raise ShapeError(f"pick from {x.shape} needs indices of shape {x.shape[:-1]}")
    return Type(x.dtype, index.shape)


def classes(types: tuple[Type, ...], attrs: Attrs) -> list[Limit]:  # noqa: ARG001 - the signature
    """Limits of an op whose second input is an index along the last axis of the first."""
    return [Limit(1, types[0].shape[-1])]


def _pick(ins: Any, attrs: Attrs) -> Array:  # noqa: ARG001 - the op's signature
    x, index = ins
    check_bounds(index, x.shape[-1], f"pick from {x.shape[-1]} classes")
    return np.asarray(np.take_along_axis(x, index[..., None], -1)[..., 0])


def _pick_decompose(b: Builder, node: Node) -> Node:
    x, index = node.inputs
    chosen = b(where, _one_hot(b, index, x.shape), x, filled(b, 0, x))
    # Bools and small integers, which sum does not add, go through int64
    addable = x.dtype.kind == "float" or x.dtype is _i64
    total = b(sum_, chosen if addable else b(cast, chosen, dtype=_i64), axes=(len(x.shape) - 1,))
    return total if addable else b(cast, total, dtype=x.dtype)


def _pick_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape in ((3, 4), (5,), (2, 3, 40), (0, 3), (1, 1)):
        x = np.asarray(rng.integers(0, 2, shape), dtype)
        yield Sample((x, np.asarray(rng.integers(0, shape[-1], shape[:-1]), np.int64)), {})
    wide = np.asarray(rng.integers(0, 2, (6, 8)), dtype)
    yield Sample((wide[::2, ::-1].T, rng.integers(0, 3, 16)[::2]), {})  # not contiguous


pick = Op(
    "pick",
    _pick_infer,
    _pick,
    vjp=lambda b, node, ct: (
        b(unpick, ct, node.inputs[1], classes=node.inputs[0].shape[-1]),
        None,
    ),
    jvp=_rows_jvp,
    saves=(1,),
    decompose=_pick_decompose,
    batch=leading,
    limits=classes,
    samples=_pick_samples,
    illegal=(
        Illegal((Type(_f32, (3, 2)), Type(_i64, (2,))), {}, ShapeError),
        Illegal((Type(_f32, (3, 2)), Type(_f32, (3,))), {}, DTypeError),
    ),
)


def _unpick_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    x, index = ins
    check_index(index, "unpick")
    if x.shape != index.shape:
        raise ShapeError(f"unpick of {x.shape} needs indices of the same shape, not {index.shape}")
    return Type(x.dtype, (*x.shape, attrs["classes"]))


def _unpick(ins: Any, attrs: Attrs) -> Array:
    x, index = ins
    check_bounds(index, attrs["classes"], f"unpick into {attrs['classes']} classes")
    out = np.zeros((*x.shape, attrs["classes"]), x.dtype)
    np.put_along_axis(out, index[..., None], x[..., None], -1)
    return out


def _unpick_decompose(b: Builder, node: Node) -> Node:
    x, index = node.inputs
    wide = b(broadcast_to, b(reshape, x, shape=(*x.shape, 1)), shape=node.shape)
    return b(where, _one_hot(b, index, node.shape), wide, filled(b, 0, node))


def _unpick_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape, classes in (((3,), 4), ((), 2), ((2, 3), 40), ((0,), 3), ((1,), 1)):
        x = np.asarray(rng.integers(0, 2, shape), dtype)
        index = np.asarray(rng.integers(0, classes, shape), np.int64)
        yield Sample((x, index), {"classes": classes})
    wide = np.asarray(rng.integers(0, 2, (6, 8)), dtype)
    index = rng.integers(0, 5, (3, 8)).T
    yield Sample((wide[::2, ::-1].T, index), {"classes": 5})  # not contiguous


unpick: Op = Op(
    "unpick",
    _unpick_infer,
    _unpick,
    vjp=lambda b, node, ct: (b(pick, ct, node.inputs[1]), None),
    jvp=_rows_jvp,
    saves=(1,),
    decompose=_unpick_decompose,
    batch=leading,
    limits=lambda types, attrs: [Limit(1, attrs["classes"])],  # noqa: ARG005 - the signature
    samples=_unpick_samples,
    illegal=(
        Illegal((Type(_f32, (3,)), Type(_i64, (2,))), {"classes": 4}, ShapeError),
        Illegal((Type(_f32, (3,)), Type(_f32, (3,))), {"classes": 4}, DTypeError),
    ),
)

TABLE = (gather, scatter_add, index_add, spread_rows, pick, unpick)
