"""Joining along new or named axes, and cutting into parts: the stack and split families.

Example: `hstack([a, b])` lays columns side by side; `tensor_split(x, 3)` cuts into three.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.functional import layout
from chainrule.tensor.functional.arrange import atleast_1d, atleast_2d, atleast_3d
from chainrule.tensor.functional.forms import also_called, of_kinds, with_numpy_names, with_out
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "block_diag",
    "column_stack",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "row_stack",
    "split_with_sizes",
    "tensor_split",
    "vsplit",
    "vstack",
]


@with_out
def hstack(tensors: Sequence[Operand]) -> Tensor:
    """Side by side: along axis 1, vectors along axis 0."""
    parts = [atleast_1d(t) for t in tensors]
    return layout.cat(parts, 0 if parts and len(parts[0].shape) == 1 else 1)


@with_out
def vstack(tensors: Sequence[Operand]) -> Tensor:
    """One below the other: along axis 0; a vector is a row."""
    return layout.cat([atleast_2d(t) for t in tensors], 0)


row_stack = vstack


@with_out
def dstack(tensors: Sequence[Operand]) -> Tensor:
    """One behind the other: along axis 2."""
    return layout.cat([atleast_3d(t) for t in tensors], 2)


@with_out
def column_stack(tensors: Sequence[Operand]) -> Tensor:
    """Side by side: along axis 1; a vector is a column."""
    parts = [as_tensor(t) for t in tensors]
    return hstack([layout.reshape(p, (-1, 1)) if len(p.shape) < 2 else p for p in parts])


@with_numpy_names
def split_with_sizes(input: Operand, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """Cut along `dim` into pieces of the given sizes."""
    return layout.split(input, list(split_sizes), dim)


@of_kinds
def tensor_split(
    input: Operand,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    sections: int | None = None,
    indices: Any = None,
) -> tuple[Tensor, ...]:
    """Cut along `dim` before the given places, or into so many parts of nearly equal size.

    The first parts are one longer where the size is not a multiple.
    """
    x = as_tensor(input)
    if not x.shape:
        raise ShapeError("tensor_split needs at least one axis, not a scalar")
    axis = shapes.normal_axis(dim, len(x.shape))
    n = x.shape[axis]
    chosen = next((v for v in (indices_or_sections, sections, indices) if v is not None), None)
    if isinstance(chosen, Handle):
        chosen = Handle._result.tolist(chosen)
    if chosen is not None and not isinstance(chosen, Iterable):
        chosen = check_whole("tensor_split: the number of parts", chosen)
    if isinstance(chosen, int):
        if chosen <= 0:
            raise ArgumentError(f"tensor_split needs a positive number of parts, not {chosen}")
        short, more = divmod(n, chosen)
        places = [i * short + min(i, more) for i in range(1, chosen)]
    elif chosen is None:
        raise ArgumentError("tensor_split needs places or a number of parts")
    else:
        given = [check_whole("tensor_split: a place", p) for p in chosen]
        places = [max(p + n, 0) if p < 0 else min(p, n) for p in given]
    ends = [*places, n]
    starts = [0, *places]
    return tuple(
        layout.narrow(x, axis, a, max(b - a, 0)) for a, b in zip(starts, ends, strict=True)
    )


def _even(name: str, rank: int, axis: int, input: Operand, given: Any) -> tuple[Tensor, ...]:
    x = as_tensor(input)
    if len(x.shape) < rank:
        raise ShapeError(f"{name} needs at least {rank} axes, not shape {x.shape}")
    if isinstance(given, int) and (given <= 0 or x.shape[axis] % given):
        raise ShapeError(
            f"{name} of {x.shape[axis]} along axis {axis} into {given} equal parts does not come "
            "out even; use tensor_split"
        )
    return tensor_split(x, given, axis)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def hsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 1 (of a vector: 0) at places, or into equal parts."""
    x = as_tensor(input)
    return _even("hsplit", 1, min(len(x.shape) - 1, 1), x, indices_or_sections)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def vsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 0 at places, or into equal parts."""
    return _even("vsplit", 2, 0, input, indices_or_sections)


@with_numpy_names
@also_called(sections="indices_or_sections", indices="indices_or_sections")
def dsplit(input: Operand, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along axis 2 at places, or into equal parts."""
    return _even("dsplit", 3, 2, input, indices_or_sections)


def block_diag(*tensors: Operand) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere."""
    from chainrule.tensor.functional.padding import pad

    blocks = [atleast_2d(t) for t in tensors]
    width = sum(b.shape[1] for b in blocks)
    rows, at = [], 0
    for block in blocks:
        rows.append(pad(block, (at, width - at - block.shape[1])))
        at += block.shape[1]
    return layout.cat(rows, 0)
