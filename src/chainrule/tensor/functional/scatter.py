"""Writing by index: scatter and its reductions, index_add and its kin, put; into views.

    scatter(x, dim, index, src):     out[index[i, j], j] = src[i, j]      for dim = 0
    index_add(x, dim, index, src):   out[index[i], :] += src[i, :]        for dim = 0

Indices count from 0 and are checked against their axis. Where an element is named twice, `scatter`
keeps the last value. Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, own
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, diagonal, slices
from chainrule.tensor.functional.forms import of_kinds, with_numpy_names, with_out
from chainrule.tensor.functional.gather import as_index, element_places
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "diagonal_scatter", "index_add", "index_copy", "index_fill", "index_reduce", "put", "scatter",
    "scatter_add", "scatter_reduce", "select_scatter", "slice_scatter",
]  # fmt: skip

Write = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]  # (base, updates, places) → new base


def _of_numbers(write: Write) -> Write:
    """Bools add up as "any" and multiply as "all", as their numbers 0 and 1 do."""

    def function(base: Tensor, updates: Tensor, places: Tensor) -> Tensor:
        if base.dtype is not dtypes.bool_:
            return write(base, updates, places)
        numbers = cast(base, dtypes.int64), cast(updates, dtypes.int64)
        return cast(write(numbers[0], numbers[1], places), dtypes.bool_)

    return function


def _set(base: Tensor, updates: Tensor, places: Tensor, how: str = "set") -> Tensor:
    return apply(TABLE["scatter"], base, updates, places, how=how)


@_of_numbers
def _added(base: Tensor, updates: Tensor, places: Tensor) -> Tensor:
    rows = apply(TABLE["scatter_add"], updates, places, rows=base.shape[0])
    return apply(TABLE["add"], base, rows)


def _reduction(reduce: str, include_self: bool) -> Write:
    """How updates are combined with the elements they meet, and with each other."""
    if reduce not in _REDUCTIONS:
        known = ", ".join(map(repr, _REDUCTIONS))
        raise ArgumentError(f"reduce is one of {known}, not {reduce!r}")

    def write(base: Tensor, updates: Tensor, places: Tensor) -> Tensor:
        start = base
        if not include_self:
            touched = comparison.gt(_counts(base, places, 0), 0)
            start = comparison.where(_over(touched, base), _identity(reduce, base), base)
        if reduce in {"sum", "mean"}:
            total = _added(start, updates, places)
            if reduce == "sum":
                return total
            count = _counts(base, places, int(include_self))
            count = _over(cast(arithmetic.maximum(count, 1), base.dtype), base)
            mode = None if base.dtype.kind == "float" else "floor"
            return arithmetic.div(total, count, rounding_mode=mode)
        return _set(start, updates, places, _REDUCTIONS[reduce])

    return _of_numbers(write)


_REDUCTIONS = {"sum": "add", "prod": "mul", "mean": "add", "amax": "max", "amin": "min"}


def _counts(base: Tensor, places: Tensor, start: int) -> Tensor:
    """`start` and the number of updates of each row."""
    ones = apply(TABLE["full"], value=1, dtype=dtypes.int64, shape=places.shape)
    counts = apply(TABLE["scatter_add"], ones, places, rows=base.shape[0])
    return arithmetic.add(counts, start) if start else counts


def _over(rows: Tensor, base: Tensor) -> Tensor:
    wide = (*rows.shape, *(1,) * (len(base.shape) - len(rows.shape)))
    return expand(apply(TABLE["reshape"], rows, shape=wide), base.shape)


def _identity(reduce: str, base: Handle) -> Any:
    if reduce in {"sum", "mean"}:
        return 0
    if reduce == "prod":
        return 1
    if base.dtype.kind == "float":
        return float("-inf" if reduce == "amax" else "inf")
    info = np.iinfo(base.dtype.numpy)
    return int(info.min if reduce == "amax" else info.max)


# -- one element at a time ------------------------------------------------------------------------


def _elements(input: Operand, dim: int, index: Operand, src: Operand, write: Write) -> Tensor:
    """`write` on all elements as rows; src is cut to the shape of the index."""
    x, at = as_tensor(input), as_index(index)
    if not isinstance(src, Handle):
        src = expand(as_tensor(src, x.dtype), at.shape)
    values = as_tensor(src)
    if values.dtype is not x.dtype:
        raise DTypeError(
            f"scatter needs equal dtypes, not {values.dtype} into {x.dtype}: convert one"
        )
    if len(values.shape) != len(at.shape) or any(
        i > n for i, n in zip(at.shape, values.shape, strict=True)
    ):
        raise ShapeError(f"an index of shape {at.shape} reaches beyond src of shape {values.shape}")
    if not at.array_type.size:
        return own(x)
    if values.shape != at.shape:
        zero, one = (0,) * len(at.shape), (1,) * len(at.shape)
        values = apply(TABLE["slice"], values, start=zero, step=one, shape=at.shape)
    places = element_places("scatter", x, dim, at)
    number = (places.array_type.size,)
    out = write(
        apply(TABLE["reshape"], x, shape=(x.array_type.size,)),
        apply(TABLE["reshape"], values, shape=number),
        apply(TABLE["reshape"], places, shape=number),
    )
    return apply(TABLE["reshape"], out, shape=x.shape)


@with_out
def scatter(
    input: Operand, dim: int, index: Operand, src: Operand = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """`input` with src (or one number) at the elements that `index` names along `dim`.

    `reduce="add"` adds and "multiply" multiplies instead.
    """
    given = value if src is None else src
    if given is None:
        raise ArgumentError("scatter needs src or value")
    names = {None: _set, "add": _added, "multiply": _reduction("prod", True)}
    if reduce not in names:
        raise ArgumentError(f"scatter reduces by 'add' or 'multiply', not {reduce!r}")
    return _elements(input, dim, index, given, names[reduce])


@with_out
def scatter_add(input: Operand, dim: int, index: Operand, src: Operand) -> Tensor:
    """`input` with src added to the elements that `index` names along `dim`."""
    return _elements(input, dim, index, src, _added)


@with_out
def scatter_reduce(
    input: Operand, dim: int, index: Operand, src: Operand, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """`input` combined with src by sum, prod, mean, amax or amin at the elements of `index`.

    Without `include_self` the own values of these elements do not count.
    """
    return _elements(input, dim, index, src, _reduction(reduce, include_self))


# -- whole slices ---------------------------------------------------------------------------------


def _slices(
    input: Operand, dim: int, index: Operand, source: Operand, write: Write, *, wrap: bool = False
) -> Tensor:
    """`write` on the slices along `dim` as rows."""
    x, at = as_tensor(input), as_index(index)
    if len(at.shape) > 1:
        raise ShapeError(f"an index of slices is a vector, not of shape {at.shape}")
    at = apply(TABLE["reshape"], at, shape=(at.array_type.size,))
    table = x if x.shape else apply(TABLE["reshape"], x, shape=(1,))
    axis = shapes.normal_axis(dim, len(table.shape))
    order = (axis, *(i for i in range(len(table.shape)) if i != axis))
    back = tuple(order.index(i) for i in range(len(order)))
    wanted = tuple(at.shape[0] if i == axis else n for i, n in enumerate(table.shape))
    values = as_tensor(source)
    if not isinstance(source, Handle) or not values.shape:
        values = expand(as_tensor(source, x.dtype), wanted)
    if values.shape != wanted:
        raise ShapeError(
            f"{at.shape[0]} slices along axis {axis} of shape {x.shape} need a source of shape "
            f"{wanted}, not {values.shape}"
        )
    if values.dtype is not x.dtype:
        raise DTypeError(f"a source of {values.dtype} does not fit {x.dtype}: convert one of them")
    if wrap:
        at = apply(TABLE["ravel_index"], at, sizes=(table.shape[axis],), wrap=True)
    turned = [apply(TABLE["transpose"], t, axes=order) for t in (table, values)]
    out = apply(TABLE["transpose"], write(turned[0], turned[1], at), axes=back)
    return apply(TABLE["reshape"], out, shape=x.shape)


@with_out
def index_add(
    input: Operand, dim: int, index: Operand, source: Operand, *, alpha: Any = 1
) -> Tensor:
    """`input` with alpha · source added to the slices along `dim` that `index` names."""
    scaled = source if isinstance(alpha, int) and alpha == 1 else arithmetic.mul(source, alpha)
    return _slices(input, dim, index, scaled, _added)


@with_out
def index_copy(input: Operand, dim: int, index: Operand, source: Operand) -> Tensor:
    """`input` with the slices that `index` names replaced by those of source."""
    return _slices(input, dim, index, source, _set)


@with_numpy_names
def index_fill(input: Operand, dim: int, index: Operand, value: Any) -> Tensor:
    """`input` with one value in the slices along `dim` that `index` names."""
    number = as_tensor(value, as_tensor(input).dtype)
    if number.shape:
        raise ShapeError(f"index_fill takes one value, not shape {number.shape}")
    return _slices(input, dim, index, number, _set, wrap=True)


@with_out
def index_reduce(
    input: Operand, dim: int, index: Operand, source: Operand, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """The slices that `index` names combined with those of source: prod, mean, amax or amin."""
    if reduce == "sum":
        raise ArgumentError("index_reduce with reduce='sum' is index_add")
    return _slices(input, dim, index, source, _reduction(reduce, include_self))


# -- into views -----------------------------------------------------------------------------------


def embedded(input: Operand, src: Operand, view: Callable[[Tensor], Tensor]) -> Tensor:
    """A copy of the input with src as the part that `view` shows."""
    x = as_tensor(input)
    out = apply(TABLE["reshape"], x, shape=x.shape)
    part, new = view(out), as_tensor(src)
    if part.shape != new.shape:
        raise ShapeError(f"src of shape {new.shape} does not fit the part of shape {part.shape}")
    part.copy_(new)
    return out


@with_numpy_names
def select_scatter(input: Operand, src: Operand, dim: int, index: int) -> Tensor:
    """A copy of the input with src as its slice at `index` along `dim`."""
    return embedded(input, src, lambda x: slices.select(x, dim, index))


@with_out
def slice_scatter(
    input: Operand, src: Operand, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A copy of the input with src as its slices start, start + step, … below end."""
    axis = shapes.normal_axis(dim, len(as_tensor(input).shape))
    return embedded(input, src, lambda x: x[(slice(None),) * axis + (slice(start, end, step),)])


@of_kinds
def diagonal_scatter(
    input: Operand, src: Operand, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of the input with src on a diagonal."""
    return embedded(input, src, lambda x: diagonal.diagonal(x, offset, dim1, dim2))


@of_kinds
def put(input: Operand, index: Operand, source: Operand, accumulate: bool = False) -> Tensor:
    """`input` as a vector with source at the numbers `index`, set or added up, in its shape."""
    x, at, new = as_tensor(input), as_index(index), as_tensor(source)
    if at.array_type.size != new.array_type.size:
        raise ShapeError(
            f"put needs an index per element, not {at.array_type.size} for {new.array_type.size}"
        )
    number = (at.array_type.size,)
    places = apply(
        TABLE["ravel_index"],
        apply(TABLE["reshape"], at, shape=number),
        sizes=(x.array_type.size,),
        wrap=True,
    )
    values = cast(apply(TABLE["reshape"], new, shape=number), x.dtype)
    flat = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
    if accumulate:
        kind = dtypes.int64 if x.dtype is dtypes.bool_ else x.dtype
        sums = apply(TABLE["scatter_add"], cast(values, kind), places, rows=x.array_type.size)
        flat = cast(apply(TABLE["add"], cast(flat, kind), sums), x.dtype)
    else:
        flat = apply(TABLE["scatter"], flat, values, places, how="set")
    return apply(TABLE["reshape"], flat, shape=x.shape)
