"""Reading by index: embedding, gather, take, index_select, one_hot; indices of non-zeros, counts.

Negative indices count from the end where PyTorch allows them. Results whose size depends on values
(`nonzero`, `bincount`) are eager only. Example: `embedding(tokens, table)`.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, IndexBoundsError, IndexKindError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.forms import deliver, of_kinds, with_numpy_names, with_out
from chainrule.tensor.handle import Handle
from chainrule.tensor.one_call import one_call
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "argwhere", "bincount", "gather", "index_select", "nonzero", "take", "take_along_dim",
    "unravel_index",
]  # fmt: skip


def as_index(x: Operand) -> Tensor:
    """Integer indices as int64; floats and bools are refused."""
    index = as_tensor(x)
    if index.dtype.kind != "int":
        raise IndexKindError(f"indices must be integers, not {index.dtype}; use index.long()")
    return cast(index, dtypes.int64)


@one_call
def embedding(
    input: Operand,
    weight: Operand,
    padding_idx: int | None = None,
    scale_grad_by_freq: bool = False,
) -> Tensor:
    """Rows of `weight` (V, D) at integer `input` (…): (…, D); no gradient to row padding_idx.

    `scale_grad_by_freq` divides the gradient of a row by the number of times it was read.
    """
    index, table = as_index(input), as_tensor(weight)
    if len(table.shape) != 2:
        raise ShapeError(f"an embedding's weight is (words, features), not of shape {table.shape}")
    if padding_idx is not None and not -table.shape[0] <= padding_idx < table.shape[0]:
        raise ArgumentError(f"padding_idx {padding_idx} is not one of {table.shape[0]} rows")
    try:
        out = apply(TABLE["gather"], table, index)
    except IndexBoundsError as error:
        if error.found is None:
            raise
        word, place = error.found
        raise IndexBoundsError(
            f"embedding: index {word} {place} is outside 0 to {table.shape[0] - 1}: the table has "
            f"{table.shape[0]} rows"
        ) from None
    if scale_grad_by_freq:
        ones = apply(TABLE["full"], value=1, dtype=table.dtype, shape=index.shape)
        counts = apply(TABLE["scatter_add"], ones, index, rows=table.shape[0])
        out = with_gradient_over(out, wide(apply(TABLE["gather"], counts, index), out))
    if padding_idx is None:
        return out
    real = apply(TABLE["ne"], index, _like(index, padding_idx % table.shape[0]))
    return apply(TABLE["where"], wide(real, out), out, apply(TABLE["detach"], out))


def _like(index: Handle, value: int) -> Tensor:
    return apply(TABLE["full"], value=value, dtype=dtypes.int64, shape=index.shape)


def wide(x: Handle, like: Handle) -> Tensor:
    """x (…) broadcast along the last axis of `like` (…, D)."""
    return expand(apply(TABLE["reshape"], x, shape=(*x.shape, 1)), like.shape)


def with_gradient_over(x: Handle, divisor: Handle) -> Tensor:
    """The value of x; its gradient is divided by `divisor`."""
    still = apply(TABLE["detach"], x)
    moving = apply(TABLE["div"], apply(TABLE["sub"], x, still), divisor)
    return apply(TABLE["add"], still, moving)


def element_places(name: str, x: Handle, dim: int, index: Handle, *, wrap: bool = False) -> Tensor:
    """The row-major number in x of each element that `index` names along `dim`.

    The other coordinates are those of the index.
    """
    rank = max(len(x.shape), 1)
    shape = x.shape or (1,)
    axis = shapes.normal_axis(dim, rank)
    if max(len(index.shape), 1) != rank or any(
        i > n for a, (i, n) in enumerate(zip(index.shape, shape, strict=False)) if a != axis
    ):
        raise ShapeError(
            f"{name} along axis {axis} of shape {x.shape} needs an index with as many axes and no "
            f"more elements along the others, not shape {index.shape}"
        )
    if not index.shape:
        return apply(TABLE["ravel_index"], index, sizes=shape, wrap=wrap)
    parts = [
        index if a == axis else apply(TABLE["iota"], dtype=dtypes.int64, shape=index.shape, axis=a)
        for a in range(rank)
    ]
    return apply(TABLE["ravel_index"], *parts, sizes=shape, wrap=wrap)


@with_numpy_names
def gather(
    input: Operand, dim: int, index: Operand, *, sparse_grad: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """out[i, j] = input[index[i, j], j] for dim = 0: the elements that `index` names along `dim`.

    `sparse_grad` is accepted. Source: https://docs.pytorch.org/docs/stable/generated/torch.gather.html
    """
    if out is not None:
        return deliver(gather(input, dim, index, sparse_grad=sparse_grad), out)
    del sparse_grad
    return _gathered(as_tensor(input), dim, as_index(index), wrap=False)


def _gathered(x: Tensor, dim: int, at: Tensor, *, wrap: bool) -> Tensor:
    flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
    if not at.array_type.size:  # an empty index, whatever its axes
        none = apply(TABLE["reshape"], at, shape=(0,))
        return apply(TABLE["reshape"], apply(TABLE["gather"], flat, none), shape=at.shape)
    return apply(TABLE["gather"], flat, element_places("gather", x, dim, at, wrap=wrap))


@with_out
def take(input: Operand, index: Operand) -> Tensor:
    """The elements at the numbers `index` of the input as a vector."""
    x = as_tensor(input)
    places = apply(TABLE["ravel_index"], as_index(index), sizes=(x.array_type.size,), wrap=True)
    return apply(TABLE["gather"], apply(TABLE["reshape"], x, shape=(x.array_type.size,)), places)


@with_out
def take_along_dim(input: Operand, indices: Operand, dim: int | None = None) -> Tensor:
    """As `gather`, where input and indices broadcast along the other axes; of a vector for None."""
    x, at = as_tensor(input), as_index(indices)
    if dim is None:
        flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
        return _gathered(
            flat, 0, apply(TABLE["reshape"], at, shape=(at.array_type.size,)), wrap=True
        )
    if len(x.shape) != len(at.shape):
        raise ShapeError(f"take_along_dim needs equally many axes, not {x.shape} and {at.shape}")
    axis = shapes.normal_axis(dim, len(x.shape))
    common = shapes.broadcast(*[shapes.with_ones(s, (axis,)) for s in (x.shape, at.shape)])
    wide = [
        tuple(s[i] if i == axis else n for i, n in enumerate(common)) for s in (x.shape, at.shape)
    ]
    return _gathered(expand(x, wide[0]), axis, expand(at, wide[1]), wrap=True)


@with_out
def nonzero(input: Operand, *, as_tuple: bool = False) -> Any:
    """(n, rank): the indices of all elements that are not zero; `as_tuple`: a vector per axis.

    Eager only: their number depends on values.
    """
    value = as_tensor(input)._concrete("nonzero()")
    if as_tuple:
        places = np.nonzero(value if value.ndim else value.reshape(1))
        return tuple(wrap(np.asarray(i, np.int64)) for i in places)
    return wrap(np.argwhere(value).astype(np.int64))


def argwhere(input: Operand) -> Tensor:
    """(n, rank): the indices of all elements that are not zero. Eager only."""
    found: Tensor = nonzero(input)
    return found


@of_kinds
def bincount(input: Operand, weights: Operand = None, minlength: int = 0) -> Tensor:
    """How often each number 0, 1, … occurs, or the sum of its weights. Eager only."""
    check_whole("minlength", minlength, 0)
    value = as_index(input)._concrete("bincount()")
    if value.ndim != 1 or (value.size and value.min() < 0):
        raise ArgumentError("bincount needs a vector of numbers ≥ 0")
    if weights is None:
        return wrap(np.bincount(value, minlength=minlength).astype(np.int64))
    given = as_tensor(weights)._concrete("bincount()")
    if given.shape != value.shape:
        raise ShapeError(
            f"bincount needs a weight per number: shape {value.shape}, not {given.shape}"
        )
    kind = np.float32 if given.dtype == np.float32 else np.float64
    return wrap(np.bincount(value, given, minlength).astype(kind))


@with_out
def index_select(input: Operand, dim: int, index: Operand) -> Tensor:
    """The slices of `input` along `dim` at the integers of the 1-D `index`."""
    x, at = as_tensor(input), as_index(index)
    axis = shapes.normal_axis(dim, len(x.shape))
    if len(at.shape) > 1:
        raise ShapeError(f"index_select needs a vector of indices, not shape {at.shape}")
    at = apply(TABLE["reshape"], at, shape=(at.array_type.size,))
    if not x.shape:
        return apply(TABLE["gather"], apply(TABLE["reshape"], x, shape=(1,)), at).reshape(())
    return slices_at(x, axis, at)


def slices_at(x: Handle, axis: int, index: Handle) -> Tensor:
    """The slices of x along `axis` at `index`, whose axes replace `axis`."""
    if not axis:
        return apply(TABLE["gather"], x, index)
    front = (axis, *(i for i in range(len(x.shape)) if i != axis))
    rows = apply(TABLE["gather"], apply(TABLE["transpose"], x, axes=front), index)
    rank = len(index.shape)
    order = (*range(rank, rank + axis), *range(rank), *range(rank + axis, len(rows.shape)))
    return apply(TABLE["transpose"], rows, axes=order)


def pick(x: Tensor, index: Operand) -> Tensor:
    """x[…, index[…]]: one element of the last axis for each row."""
    return apply(TABLE["pick"], x, as_index(index))


@of_kinds
def one_hot(tensor: Operand, num_classes: int = -1) -> Tensor:
    """int64 (…, num_classes) with a one at each index."""
    index = as_index(tensor)
    rule = "classes are numbered from 0 to num_classes - 1"
    if num_classes != -1:
        index = require(
            f"one_hot of {check_whole('num_classes', num_classes, 1)} classes",
            index,
            lambda v: (v >= 0) & (v < num_classes),
            rule,
        )
    else:
        value = index._concrete("one_hot without num_classes")
        if not value.size:
            raise ArgumentError("one_hot of no indices needs num_classes")
        index = require("one_hot", index, lambda v: v >= 0, rule)
        num_classes = int(value.max()) + 1
    shape = (*index.shape, num_classes)
    positions = apply(TABLE["iota"], dtype=dtypes.int64, shape=shape, axis=len(shape) - 1)
    wide = expand(apply(TABLE["reshape"], index, shape=(*index.shape, 1)), shape)
    return cast(apply(TABLE["eq"], positions, wide), dtypes.int64)


@of_kinds
def unravel_index(indices: Operand, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, axis by axis, of row-major numbers in a tensor of `shape`."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in sizes):
        raise ArgumentError(f"unravel_index needs sizes ≥ 0, not {sizes}")
    rest = as_index(indices)
    parts = []
    for n in reversed(sizes):
        parts.append(apply(TABLE["remainder"], rest, _like(rest, n)))
        rest = apply(TABLE["floor_divide"], rest, _like(rest, n))
    return tuple(reversed(parts))
