"""Several indices as one number, and rows written into a base: `x[i, j]` and `x[i] = v`.

    ravel_index(i, j; sizes=(m, n)) = i·n + j        checked, negative ones counted from the end
    scatter(base, updates, index; how)               base with rows set, multiplied, raised, lowered

Where an index of `scatter` repeats, the updates come in order: the last one that is set stays.
Example: `x[i, j]` is `gather(reshape(x), ravel_index(i, j, sizes=x.shape))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, IndexBoundsError, ShapeError
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add, div, mul, sub
from chainrule.ops.cast import cast
from chainrule.ops.comparison import eq, lt, where
from chainrule.ops.creation import filled, full, iota
from chainrule.ops.elementwise import NUMBERS, need_kind
from chainrule.ops.gather import check_bounds, gather, scatter_add
from chainrule.ops.layout import reshape
from chainrule.ops.record import OUT, Array, Builder, Illegal, Limit, Op, Sample, Template, leading
from chainrule.ops.reduce import broadcast_to

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32, _i64 = dtypes.float32, dtypes.int64


def _ravel_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    sizes = attrs["sizes"]
    if not ins or len(ins) != len(sizes):
        raise ShapeError(f"ravel_index of {len(ins)} indices needs a size for each, not {sizes}")
    for index in ins:
        if index.dtype is not _i64:
            raise DTypeError(f"indices are int64, not {index.dtype}; use index.long()")
        if index.shape != ins[0].shape:
            raise ShapeError(f"indices have different shapes {ins[0].shape} and {index.shape}")
    return ins[0]


def _ravel_limits(types: tuple[Type, ...], attrs: Attrs) -> list[Limit]:  # noqa: ARG001
    return [Limit(i, n, -n if attrs["wrap"] else 0) for i, n in enumerate(attrs["sizes"])]


def _ravel(ins: Any, attrs: Attrs) -> Array:
    sizes, total = attrs["sizes"], None
    for index, n in zip(ins, sizes, strict=True):
        _check_range(index, n, wrap=attrs["wrap"])
        inside = np.where(index < 0, index + n, index) if attrs["wrap"] else index
        total = inside if total is None else total * n + inside
    return np.asarray(total)


def _check_range(index: Array, n: int, *, wrap: bool) -> None:
    low = -n if wrap else 0
    if index.size and (index.min() < low or index.max() >= n):
        bad = np.argwhere((index < low) | (index >= n))[0]
        place = tuple(int(i) for i in bad)
        raise IndexBoundsError(
            f"index {int(index[tuple(bad)])} at position {place} of the indices is outside an axis "
            f"of size {n}: {low} to {n - 1}"
        )


def _ravel_decompose(b: Builder, node: Node) -> Node:
    total: Node | None = None
    for index, n in zip(node.inputs, node.attrs["sizes"], strict=True):
        size, inside = filled(b, n, index), index
        if node.attrs["wrap"]:
            negative = b(lt, index, filled(b, 0, index))
            inside = b(where, negative, b(add, index, size), index)
        total = inside if total is None else b(add, b(mul, total, size), inside)
    assert total is not None
    return total


def _ravel_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype != np.int64:
        return
    for shape, sizes in (
        ((3,), (4,)), ((2, 3), (4, 5)), ((), (2, 2, 2)), ((0,), (3,)), ((1,), (1,)),
        ((20, 17), (9,)),
    ):  # fmt: skip
        for wrap in (False, True):
            ins = [rng.integers(-n if wrap else 0, n, shape) for n in sizes]
            yield Sample(
                tuple(np.asarray(i, np.int64) for i in ins), {"sizes": sizes, "wrap": wrap}
            )
    turned = rng.integers(-4, 4, (6, 8))[::2, ::-1].T
    yield Sample((turned, turned), {"sizes": (4, 5), "wrap": True})  # not contiguous


ravel_index = Op(
    "ravel_index",
    _ravel_infer,
    _ravel,
    vjp=lambda b, node, ct: (None,) * len(node.inputs),  # noqa: ARG005 - the rule's signature
    decompose=_ravel_decompose,
    batch=leading,
    limits=_ravel_limits,
    below=lambda attrs: shapes.size(attrs["sizes"]),
    samples=_ravel_samples,
    illegal=(
        Illegal((Type(_f32, (2,)),), {"sizes": (3,), "wrap": True}, DTypeError),
        Illegal((Type(_i64, (2,)),), {"sizes": (3, 4), "wrap": True}, ShapeError),
        Illegal((Type(_i64, (2,)), Type(_i64, (3,))), {"sizes": (3, 4), "wrap": True}, ShapeError),
    ),
)

_COMBINE = {"mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scatter_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    base, updates, index = ins
    if index.dtype is not _i64:
        raise DTypeError(f"scatter needs int64 indices, not {index.dtype}; use index.long()")
    if updates.dtype is not base.dtype:
        raise DTypeError(f"scatter of {updates.dtype} into {base.dtype}: the dtypes must be equal")
    if not base.shape or updates.shape != index.shape + base.shape[1:]:
        raise ShapeError(
            f"scatter into {base.shape} at indices of shape {index.shape} needs updates of shape "
            f"{index.shape + base.shape[1:]}, not {updates.shape}"
        )
    if attrs["how"] not in {"set", *_COMBINE}:
        raise ArgumentError(f"scatter knows set, mul, max and min, not {attrs['how']!r}")
    if attrs["how"] != "set":
        need_kind("scatter", base.dtype, NUMBERS)
    return base


def _scatter(ins: Any, attrs: Attrs) -> Array:
    base, updates, index = ins
    check_bounds(index, base.shape[0], f"scatter into {base.shape[0]} rows")
    out, flat = base.copy(), index.reshape(-1)
    rows = updates.reshape(flat.size, *base.shape[1:])
    if attrs["how"] == "set":
        out[flat] = rows
    else:
        _COMBINE[attrs["how"]].at(out, flat, rows)
    return np.asarray(out)


def _rows(b: Builder, x: Node, like: Node) -> Node:
    """One number per row, broadcast over the row."""
    wide = (*x.shape, *(1,) * (len(like.shape) - len(x.shape)))
    return b(broadcast_to, b(reshape, x, shape=wide), shape=like.shape)


def _set_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    """To the base where no row was set; to an update where it was the last of its row."""
    base, updates, index = node.inputs
    kept = b(scatter, ct, filled(b, 0, updates), index, how="set")
    number = b(iota, dtype=_i64, shape=(max(index.array.size, 1),), axis=0)
    order = b(reshape, number, shape=index.shape) if index.array.size else index
    nobody = b(full, value=-1, dtype=_i64, shape=base.shape[:1])
    last = b(gather, b(scatter, nobody, order, index, how="set"), index)
    won = _rows(b, b(eq, last, order), updates)
    return kept, b(where, won, b(gather, ct, index), filled(b, 0, updates))


def _extreme_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    """To all that equal the result, in equal shares."""
    base, updates, index = node.inputs
    first = b(eq, base, node)
    others = b(eq, updates, b(gather, node, index))
    hits = b(scatter_add, b(cast, others, dtype=base.dtype), index, rows=base.shape[0])
    share = b(div, ct, b(add, b(cast, first, dtype=base.dtype), hits))
    return (
        b(where, first, share, filled(b, 0, base)),
        b(where, others, b(gather, share, index), filled(b, 0, updates)),
    )


def _product_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    """The product of the other factors, exact where one of them is zero.

    That one stays a factor, for the second derivative.
    """
    base, updates, index = node.inputs

    def split(x: Node) -> tuple[Node, Node, Node]:
        """Where x is zero, x with ones there, and x with zeros elsewhere."""
        none = filled(b, 0, x)
        zero = b(eq, x, none)
        return zero, b(where, zero, filled(b, 1, x), x), b(where, zero, x, none)

    def total(first: Node, others: Node) -> Node:
        return b(add, b(scatter_add, others, index, rows=base.shape[0]), first)

    (zero, safe, own), (zeros, safes, owns) = split(base), split(updates)
    upstream = b(mul, ct, b(scatter, safe, safes, index, how="mul"))
    counts = total(b(cast, zero, dtype=base.dtype), b(cast, zeros, dtype=base.dtype))
    sums = total(own, owns)

    def part(zero: Node, safe: Node, own: Node, row: Callable[[Node], Node]) -> Node:
        one, none = filled(b, 1, safe), filled(b, 0, safe)
        others = b(sub, row(counts), b(cast, zero, dtype=safe.dtype))
        alone = b(where, zero, row(upstream), b(div, row(upstream), safe))
        single = b(where, b(eq, others, one), b(mul, alone, b(sub, row(sums), own)), none)
        return b(where, b(eq, others, none), alone, single)

    return (
        part(zero, safe, own, lambda x: x),
        part(zeros, safes, owns, lambda x: b(gather, x, index)),
    )


_VJP = {"set": _set_vjp, "mul": _product_vjp, "max": _extreme_vjp, "min": _extreme_vjp}


def _scatter_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node, None]:
    return (*_VJP[node.attrs["how"]](b, node, ct), None)


def _scatter_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    """Σ local derivative · tangent: every update goes to one row only."""
    base, updates, index = node.inputs
    local = _VJP[node.attrs["how"]](b, node, filled(b, 1, node))
    first, others = tangents[0] or filled(b, 0, base), tangents[1] or filled(b, 0, updates)
    moved = b(scatter_add, b(mul, local[1], others), index, rows=base.shape[0])
    return b(add, b(mul, local[0], first), moved)


def _scatter_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    def draw(shape: tuple[int, ...], more: float = 0.25) -> Array:
        if dtype.kind == "f":  # all different: no ties, and no zeros in products
            return np.asarray(rng.permutation(shapes.size(shape)).reshape(shape) + more, dtype) / 4
        return np.asarray(rng.integers(0, 2 if dtype.kind == "b" else 4, shape), dtype)

    for how in ("set",) if dtype.kind == "b" else ("set", "mul", "max", "min"):
        for index, rest, rows in (
            ((2, 2), (3,), 5), ((6,), (), 4), ((), (2,), 3), ((0,), (2,), 3), ((), (), 1),
            ((9,), (17,), 3), ((2,), (0,), 2),
        ):  # fmt: skip
            places = np.asarray(rng.integers(0, rows, index), np.int64)
            yield Sample((draw((rows, *rest)), draw(index + rest, 0.75), places), {"how": how})
        turned = draw((6, 8))[::2, ::-1][:, :3], draw((3, 8)).T, rng.integers(0, 3, 16)[::2]
        yield Sample(turned, {"how": how}, smooth=False)  # not contiguous


def _scatter_batch(b: Builder, node: Node, given: Examples) -> Node:
    base, updates, index = given.stacked()
    places = given.rows(index, node.shape[0])
    return given.divided(b(scatter, given.merged(base), updates, places, **node.attrs), node.shape)


scatter: Op = Op(
    "scatter",
    _scatter_infer,
    _scatter,
    vjp=_scatter_vjp,
    jvp=_scatter_jvp,
    saves=(0, 1, 2, OUT),
    lower=Template("scatter"),
    traits=frozenset({"in-place"}),
    batch=_scatter_batch,
    limits=lambda types, attrs: [Limit(2, types[0].shape[0])],  # noqa: ARG005 - the signature
    samples=_scatter_samples,
    illegal=(
        Illegal(
            (Type(_f32, (3, 2)), Type(_f32, (2,)), Type(_i64, (2,))), {"how": "set"}, ShapeError
        ),
        Illegal((Type(_f32, (3,)), Type(_f32, (2,)), Type(_f32, (2,))), {"how": "set"}, DTypeError),
        Illegal((Type(_f32, (3,)), Type(_i64, (2,)), Type(_i64, (2,))), {"how": "set"}, DTypeError),
        Illegal(
            (Type(_f32, (3,)), Type(_f32, (2,)), Type(_i64, (2,))), {"how": "sum"}, ArgumentError
        ),
        Illegal(
            (Type(dtypes.bool_, (3,)), Type(dtypes.bool_, (2,)), Type(_i64, (2,))),
            {"how": "max"},
            DTypeError,
        ),
    ),
)

TABLE = (ravel_index, scatter)
