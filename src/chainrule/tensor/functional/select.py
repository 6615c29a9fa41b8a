"""Reading by index: embedding, index_select, gather along the last axis, one_hot.

Negative indices count from the end where PyTorch allows them. Example: `embedding(tokens, table)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand
from chainrule.tensor.dispatch import apply

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "index_select",
]


def as_index(x: Operand) -> Tensor:
    """Integer indices as int64; floats and bools are refused."""
    index = as_tensor(x)
    if index.dtype.kind != "int":
        raise DTypeError(f"indices must be integers, not {index.dtype}; use index.long()")
    return cast(index, dtypes.int64)


def embedding(
    input: Operand,
    weight: Operand,
    padding_idx: int | None = None,
) -> Tensor:
    """Rows of `weight` (V, D) at integer `input` (…): (…, D); no gradient to row padding_idx.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html
    """
    index, table = as_index(input), as_tensor(weight)
    out = apply(TABLE["gather"], table, index)
    if padding_idx is None:
        return out
    row = padding_idx % table.shape[0]
    real = apply(
        TABLE["ne"],
        index,
        apply(TABLE["full"], value=row, dtype=dtypes.int64, shape=index.shape),
    )
    wide = expand(apply(TABLE["reshape"], real, shape=(*index.shape, 1)), out.shape)
    return apply(TABLE["where"], wide, out, apply(TABLE["detach"], out))


def index_select(input: Operand, dim: int, index: Operand) -> Tensor:
    """The slices of `input` along `dim` at the integers of the 1-D `index`."""
    x, at = as_tensor(input), as_index(index)
    axis = shapes.normal_axis(dim, len(x.shape))
    if axis == 0:
        return apply(TABLE["gather"], x, at)
    order = (axis, *(i for i in range(len(x.shape)) if i != axis))
    rows = apply(TABLE["gather"], apply(TABLE["transpose"], x, axes=order), at)
    back = tuple(order.index(i) for i in range(len(order)))
    return apply(TABLE["transpose"], rows, axes=back)


def pick(x: Tensor, index: Operand) -> Tensor:
    """x[…, index[…]]: one element of the last axis for each row."""
    return apply(TABLE["pick"], x, as_index(index))


def one_hot(tensor: Operand, num_classes: int = -1) -> Tensor:
    """int64 (…, num_classes) with a one at each index."""
    index = as_index(tensor)
    if num_classes == -1:
        value = index._concrete("one_hot without num_classes")
        if not value.size:
            raise ArgumentError("one_hot of no indices needs num_classes")
        num_classes = int(value.max()) + 1
    shape = (*index.shape, num_classes)
    positions = apply(TABLE["iota"], dtype=dtypes.int64, shape=shape, axis=len(shape) - 1)
    wide = expand(apply(TABLE["reshape"], index, shape=(*index.shape, 1)), shape)
    return cast(apply(TABLE["eq"], positions, wide), dtypes.int64)
