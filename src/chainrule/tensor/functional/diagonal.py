"""Triangles and diagonals of the last (or any) two axes, their indices, and the trace.

`diagonal` is a view: `x.diagonal().fill_(1)` writes into x. Example: `tril(x, -1)`.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_whole
from chainrule.base.dtypes import DType
from chainrule.base.errors import ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_dtype, as_tensor, cast, check_device
from chainrule.tensor.dispatch import apply, wrap, zeros_of
from chainrule.tensor.functional import layout, slices
from chainrule.tensor.functional.forms import of_kinds, with_out
from chainrule.tensor.tape import lasting

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "diag", "diag_embed", "diagflat", "diagonal", "trace", "tril", "tril_indices", "triu",
    "triu_indices",
]  # fmt: skip


@with_out
def tril(input: Operand, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal of the last two axes, zeros elsewhere."""
    return _triangle("tril", as_tensor(input), diagonal, "ge")


@with_out
def triu(input: Operand, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal of the last two axes, zeros elsewhere."""
    return _triangle("triu", as_tensor(input), diagonal, "le")


def _triangle(name: str, x: Tensor, diagonal: int, keep: str) -> Tensor:
    rank = len(x.shape)
    if rank < 2:
        raise ShapeError(f"{name} needs at least 2 axes, not shape {x.shape}")
    row = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=rank - 2)
    column = apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=rank - 1)
    offset = apply(TABLE["full"], value=diagonal, dtype=dtypes.int64, shape=x.shape)
    kept = apply(TABLE[keep], apply(TABLE["add"], row, offset), column)
    return lasting(apply(TABLE["where"], kept, x, zeros_of(x)))


@of_kinds
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, layout: Any = None,
    device: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """(2, n): rows and columns of the elements on and below a diagonal, row by row."""
    del layout, pin_memory
    check_device(device)
    return _indices(np.tril_indices, row, col, offset, as_dtype(dtype))


@of_kinds
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, layout: Any = None,
    device: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """(2, n): rows and columns of the elements on and above a diagonal, row by row."""
    del layout, pin_memory
    check_device(device)
    return _indices(np.triu_indices, row, col, offset, as_dtype(dtype))


def _indices(find: Any, row: int, col: int, offset: int, dtype: DType) -> Tensor:
    row, col = check_whole("row", row, 0), check_whole("col", col, 0)
    found = np.stack(find(row, check_whole("offset", offset), col))
    return cast(wrap(found.astype(np.int64)), dtype)


@of_kinds
def diagonal(input: Operand, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements where the positions on dim2 and dim1 differ by `offset`, as a new last axis."""
    x = as_tensor(input)
    rank = len(x.shape)
    first, second = shapes.normal_axis(dim1, rank), shapes.normal_axis(dim2, rank)
    if first == second or rank < 2:
        raise ShapeError(f"a diagonal of shape {x.shape} needs two axes, not {dim1} and {dim2}")
    rest = [a for a in range(rank) if a not in (first, second)]
    rows, columns = x.shape[first], x.shape[second]
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    lead = tuple(x.shape[a] for a in rest)
    order = (*rest, first, second)
    begin = (offset if offset >= 0 else -offset * columns) if length else 0
    region = {"start": (*(0,) * len(rest), begin), "step": (*(1,) * len(rest), columns + 1)}

    def flat(base: Any) -> Tensor:
        turned = apply(TABLE["transpose"], base, axes=order)
        return apply(TABLE["reshape"], turned, shape=(*lead, rows * columns))

    def put(base: Any, new: Any) -> Tensor:
        out = slices.with_region(flat(base), new, **region)
        turned = apply(TABLE["reshape"], out, shape=(*lead, rows, columns))
        return apply(TABLE["transpose"], turned, axes=tuple(order.index(a) for a in range(rank)))

    def move(at: shapes.View) -> shapes.View:
        s, t = at.strides[first], at.strides[second]
        begin = at.offset + (offset * t if offset >= 0 else -offset * s)
        return shapes.View((*lead, length), (*(at.strides[a] for a in rest), s + t), begin)

    def get(base: Any) -> Tensor:
        return apply(TABLE["slice"], flat(base), **region, shape=(*lead, length))

    return layout.view_of(x, get, put, move)


@of_kinds
def matrix_diagonal(A: Operand, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of each of a batch of matrices."""
    return diagonal(A, offset, dim1, dim2)


@of_kinds
def diag_embed(input: Operand, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis of the input on a diagonal of the axes dim1 and dim2, zeros elsewhere."""
    x = as_tensor(input)
    rank = len(x.shape) + 1
    first, second = shapes.normal_axis(dim1, rank), shapes.normal_axis(dim2, rank)
    if first == second:
        raise ShapeError(f"diag_embed needs two different axes, not {dim1} and {dim2}")
    n = x.shape[-1]
    size = n + abs(offset)
    begin = (offset if offset >= 0 else -offset * size) if n else 0
    lead = x.shape[:-1]
    flat = apply(
        TABLE["pad"], x, start=(*(0,) * len(lead), begin), step=(*(1,) * len(lead), size + 1),
        shape=(*lead, size * size),
    )  # fmt: skip
    square = layout.reshape(flat, (*lead, size, size))
    order: list[int] = list(range(len(lead)))
    for place, axis in sorted(((first, rank - 2), (second, rank - 1))):
        order.insert(place, axis)
    return layout.permute(square, order)


@with_out
def diag(input: Operand, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix of zeros; of a matrix, a copy of its diagonal."""
    x = as_tensor(input)
    if len(x.shape) == 1:
        return diag_embed(x, diagonal)
    if len(x.shape) != 2:
        raise ShapeError(f"diag needs a vector or a matrix, not shape {x.shape}; use diagonal")
    part = globals()["diagonal"](x, diagonal)
    return apply(TABLE["reshape"], part, shape=part.shape)


@of_kinds
def diagflat(input: Operand, offset: int = 0) -> Tensor:
    """All elements in order as the diagonal of a matrix of zeros."""
    return diag_embed(layout.reshape(input, (-1,)), offset)


def trace(input: Operand) -> Tensor:
    """The sum of a matrix' main diagonal."""
    x = as_tensor(input)
    if len(x.shape) != 2:
        raise ShapeError(f"trace needs a matrix, not shape {x.shape}")
    part = diagonal(x)
    if part.dtype.kind != "float":
        part = cast(part, dtypes.int64)
    return apply(TABLE["sum"], part, axes=(0,))
