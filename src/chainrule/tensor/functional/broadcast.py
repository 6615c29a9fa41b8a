"""Broadcasting, repetition and grids: elements that appear several times.

Example: `repeat(x, 2, 1)` lays x below itself; `expand(x, 3, -1)` is a view of repeated rows.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, IndexKindError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.convert import expand as expand_to
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.forms import also_named, of_kinds, with_numpy_names
from chainrule.tensor.functional.gather import slices_at
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.layout import (
    flat_sizes,
    listed,
    ravel,
    renumbered,
    reshape,
    view_of,
)
from chainrule.tensor.handle import Handle
from chainrule.tensor.memory import refuse_overlap

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "cartesian_prod", "combinations",
    "expand", "meshgrid", "repeat_interleave", "tile",
]  # fmt: skip


@also_named("size")
def expand(input: Operand, *sizes: Any) -> Tensor:
    """Broadcast axes of size 1 to `sizes` (-1 keeps an axis): a view that is read only."""
    x = as_tensor(input)
    target = flat_sizes(sizes)
    lead = len(target) - len(x.shape)
    if lead < 0:
        raise ShapeError(f"expand of {x.shape} to {target}: fewer axes than the tensor has")
    if -1 in target[:lead]:
        raise ShapeError(f"expand of {x.shape} to {target}: a new axis needs a size, not -1")
    wide = tuple(x.shape[i - lead] if n == -1 else n for i, n in enumerate(target))
    if wide == (1,) * lead + x.shape:  # nothing is repeated
        return renumbered(x, wide)
    return view_of(
        x, lambda base: expand_to(base, wide), refuse_overlap, lambda at: at.broadcast_to(wide)
    )


@also_named("size")
def broadcast_to(input: Operand, *size: Any) -> Tensor:
    """The input broadcast to `size`, as by `expand`: a view."""
    return expand(input, *size)


def broadcast_shapes(*shapes_: Any) -> shapes.Shape:
    """The common shape of the given ones."""
    listed = [flat_sizes([s]) if s != () else () for s in shapes_]
    if any(n < 0 for sizes in listed for n in sizes):
        raise ArgumentError(f"broadcast_shapes needs sizes ≥ 0, not {shapes_}")
    return shapes.broadcast(*listed)


def broadcast_tensors(*tensors: Operand) -> tuple[Tensor, ...]:
    """All tensors broadcast to their common shape."""
    parts = [as_tensor(t) for t in listed(tensors)]
    shape = shapes.broadcast(*[p.shape for p in parts])
    return tuple(p if p.shape == shape else expand(p, shape) for p in parts)


@also_named("repeats")
def repeat(input: Operand, *sizes: Any) -> Tensor:
    """Copies laid side by side, `sizes` of them along each axis; new axes come first."""
    x = as_tensor(input)
    times = flat_sizes(sizes)
    lead = len(times) - len(x.shape)
    if lead < 0 or any(n < 0 for n in times):
        raise ShapeError(f"repeat of shape {x.shape} needs a number ≥ 0 for each axis, not {times}")
    shape = (1,) * lead + x.shape
    apart = tuple(v for n in shape for v in (1, n))
    wide = tuple(v for m, n in zip(times, shape, strict=True) for v in (m, n))
    out = expand_to(apply(TABLE["reshape"], x, shape=apart), wide)
    whole = tuple(m * n for m, n in zip(times, shape, strict=True))
    return apply(TABLE["reshape"], out, shape=whole)


@also_named("dims")
def tile(input: Operand, *dims: Any) -> Tensor:
    """As `repeat`, where missing leading numbers are 1."""
    x, times = as_tensor(input), flat_sizes(dims)
    return repeat(x, (1,) * (len(x.shape) - len(times)) + times)


@with_numpy_names
def repeat_interleave(
    input: Operand, repeats: Operand = None, dim: int | None = None, *,
    output_size: int | None = None,
) -> Tensor:  # fmt: skip
    """Each slice along `dim` (element, for None) `repeats` times in a row.

    `repeats` may count for each slice: its values decide the shape then (eager only), unless it is
    one number. With one argument that holds counts: i, counts[i] times, for each i.
    """
    if repeats is None:
        counts = as_tensor(input)
        return repeat_interleave(
            wrap(np.arange(counts.shape[0])), counts, 0, output_size=output_size
        )
    x = as_tensor(input)
    x, axis = (x, shapes.normal_axis(dim, len(x.shape))) if dim is not None else (ravel(x), 0)
    n = x.shape[axis]
    times = repeats
    if isinstance(repeats, Handle) or not isinstance(repeats, int):
        given = as_tensor(repeats)
        if given.dtype.kind != "int":
            raise IndexKindError(f"repeat_interleave: counts are integers, not {given.dtype}")
        counted = given._concrete("repeat_interleave with counts in a tensor")
        if counted.size != 1:
            if counted.shape != (n,):
                raise ShapeError(f"repeat_interleave of {n} slices needs {n} counts, not {counted}")
            index = wrap(np.repeat(np.arange(n, dtype=np.int64), counted))
            return slices_at(x, axis, index)
        times = int(counted.reshape(()))
    if times < 0:
        raise ArgumentError(f"repeats must not be negative: {times}")
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    wide = apply(TABLE["reshape"], x, shape=(*before, n, 1, *after))
    wide = expand_to(wide, (*before, n, times, *after))
    return apply(TABLE["reshape"], wide, shape=(*before, n * times, *after))


@of_kinds
def meshgrid(*tensors: Operand, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Vectors as coordinate grids of shape (len(t₀), len(t₁), …).

    `indexing="xy"` exchanges the first two axes; "ij" is the default.
    """
    given = [as_tensor(t) for t in listed(tensors)]
    if not given or any(len(t.shape) > 1 for t in given):
        raise ShapeError(f"meshgrid takes vectors, not shapes {[t.shape for t in given]}")
    parts = [reshape(t, (-1,)) for t in given]
    chosen = indexing or "ij"
    if chosen not in {"ij", "xy"}:
        raise ArgumentError(f"meshgrid indexes by 'ij' or 'xy', not {indexing!r}")
    order = list(range(len(parts)))
    if chosen == "xy" and len(parts) > 1:
        order[:2] = [1, 0]
    shape = tuple(parts[i].shape[0] for i in order)
    out = []
    for i, part in enumerate(parts):
        alone = tuple(part.shape[0] if order[k] == i else 1 for k in range(len(parts)))
        out.append(expand(reshape(part, alone), shape))
    return tuple(out)


def cartesian_prod(*tensors: Operand) -> Tensor:
    """All tuples with one element of each vector, as rows in lexicographic order."""
    parts = [as_tensor(t) for t in listed(tensors)]
    if any(len(t.shape) != 1 for t in parts):
        raise ShapeError(f"cartesian_prod takes vectors, not shapes {[t.shape for t in parts]}")
    if len(parts) == 1:
        return parts[0]
    columns = [reshape(grid, (-1, 1)) for grid in meshgrid(*parts)]
    return cat(columns, 1)


@of_kinds
def combinations(input: Operand, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, in lexicographic order of their positions."""
    x = as_tensor(input)
    if len(x.shape) != 1 or r < 0:
        raise ShapeError(f"combinations needs a vector and r ≥ 0, not shape {x.shape} and {r}")
    n, lists = x.shape[0], np.zeros((1, 0), np.int64)
    for _ in range(r):  # each list grows by every position that may follow its last
        step = 0 if with_replacement else 1
        first = lists[:, -1] + step if lists.shape[1] else np.zeros(1, np.int64)
        rows = np.repeat(lists, n - first, axis=0)
        following = [np.arange(f, n) for f in first]
        lists = np.column_stack([rows, np.concatenate([*following, np.zeros(0, np.int64)])])
    if not r:
        return wrap(np.zeros(0, x.dtype.numpy))
    return apply(TABLE["gather"], x, wrap(lists.astype(np.int64)))


@of_kinds
def expand_as(input: Operand, other: Handle) -> Tensor:
    """The input broadcast to the shape of `other`."""
    return expand(input, other.shape)
