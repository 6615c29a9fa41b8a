"""Joining tensors: cat along an axis, stack along a new one, and the stack family.

Example: `hstack([a, b])` lays columns side by side.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, KindError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.graph.node import Type
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, result_dtype
from chainrule.tensor.dispatch import apply
from chainrule.tensor.fast_path import fixed
from chainrule.tensor.functional.forms import deliver, with_numpy_names, with_out
from chainrule.tensor.functional.layout import (
    MOST_OPTICS,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    reshape,
    with_axis,
)
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "block_diag", "cat", "column_stack", "concat", "concatenate", "dstack", "hstack", "row_stack",
    "stack", "vstack",
]  # fmt: skip


@with_out
def hstack(tensors: Sequence[Operand]) -> Tensor:
    """Side by side: along axis 1, vectors along axis 0."""
    parts = [atleast_1d(t) for t in tensors]
    return cat(parts, 0 if parts and len(parts[0].shape) == 1 else 1)


@with_out
def vstack(tensors: Sequence[Operand]) -> Tensor:
    """One below the other: along axis 0; a vector is a row."""
    return cat([atleast_2d(t) for t in tensors], 0)


row_stack = vstack


@with_out
def dstack(tensors: Sequence[Operand]) -> Tensor:
    """One behind the other: along axis 2."""
    return cat([atleast_3d(t) for t in tensors], 2)


@with_out
def column_stack(tensors: Sequence[Operand]) -> Tensor:
    """Side by side: along axis 1; a vector is a column."""
    parts = [as_tensor(t) for t in tensors]
    return hstack([reshape(p, (-1, 1)) if len(p.shape) < 2 else p for p in parts])


def block_diag(*tensors: Operand) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere."""
    blocks = [atleast_2d(t) for t in tensors]
    width = sum(b.shape[1] for b in blocks)
    rows, at = [], 0
    for block in blocks:
        shape = (block.shape[0], width)
        rows.append(apply(TABLE["pad"], block, start=(0, at), step=(1, 1), shape=shape))
        at += block.shape[1]
    return cat(rows, 0)


@with_numpy_names
def cat(tensors: Sequence[Operand], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Lay tensors one after the other along `dim`, promoted to one dtype."""
    if isinstance(tensors, Handle):
        raise KindError("cat takes a list of tensors, not one: write cat([a, b])")
    if out is not None:
        return deliver(cat(tensors, dim), out)
    parts = [as_tensor(p) for p in tensors]
    if not parts:
        raise ArgumentError("cat needs at least one tensor")
    types = [p.array_type for p in parts]
    if (0,) in [kind.shape for kind in types]:  # joined to anything
        parts = [p for p, kind in zip(parts, types, strict=True) if kind.shape != (0,)] or parts[:1]
        types = [p.array_type for p in parts]
    return _joined(parts, types, shapes.normal_axis(dim, len(types[0].shape)))


def _joined(parts: Sequence[Tensor], types: Sequence[Type], axis: int) -> Tensor:
    if len({kind.dtype for kind in types}) > 1:
        dtype = result_dtype(parts)
        parts = [cast(p, dtype) for p in parts]
    return apply(TABLE["concat"], *parts, axis=axis)


concat = cat


@with_numpy_names
def stack(tensors: Sequence[Operand], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Lay equal shapes along a new axis."""
    if out is not None:
        return deliver(stack(tensors, dim), out)
    parts = [as_tensor(p) for p in tensors]
    if not parts:
        raise ArgumentError("stack needs at least one tensor")
    types = [p.array_type for p in parts]
    shape = types[0].shape
    for i, kind in enumerate(types):
        if kind.shape != shape:
            raise ShapeError(
                f"stack needs equal shapes, but tensor 0 has {shape} and tensor {i} "
                f"{kind.shape}\n  use nn.utils.rnn.pad_sequence for sequences of several lengths"
            )
    axis = shapes.normal_axis(dim, len(shape), extra=1)
    opened = _opening(shape, axis)
    return _joined([opened(p) for p in parts], types, axis)


@lru_cache(MOST_OPTICS)
def _opening(shape: Shape, axis: int) -> Callable[..., Tensor]:
    return fixed(TABLE["reshape"], shape=with_axis(shape, axis))


# PyTorch's other names
concatenate = cat
