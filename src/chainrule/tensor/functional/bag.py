"""Embeddings summed, averaged or maximised over bags of words, without a padded batch.

    bag b = words offsets[b] … offsets[b+1] - 1        or one row of a matrix of words

Example: `embedding_bag(words, table, offsets)`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, expand
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import arithmetic, comparison, slices
from chainrule.tensor.functional.gather import as_index, embedding, wide
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.require import require

_OFFSETS = "offsets start at 0, do not fall and stay inside the words"

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def embedding_bag(
    input: Operand, weight: Operand, offsets: Operand = None, scale_grad_by_freq: bool = False,
    mode: str = "mean", per_sample_weights: Operand = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """(bags, D): sum, mean or max of the rows of `weight` (V, D) that each bag names.

    Words (B, N) are B bags; a vector of words is cut at `offsets`, of which the last one is the
    end if `include_last_offset`. Words equal to `padding_idx` do not count; an empty bag is zero.
    """
    if mode not in {"sum", "mean", "max"}:
        raise ArgumentError(f"embedding_bag sums by 'sum', 'mean' or 'max', not {mode!r}")
    if scale_grad_by_freq and mode == "max":
        raise ArgumentError("scale_grad_by_freq does not go with mode='max'")
    words, table = as_index(input), as_tensor(weight)
    bags, count = _bags(words, offsets)
    flat = apply(TABLE["reshape"], words, shape=(words.array_type.size,))
    rows = embedding(flat, table, padding_idx, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = _weighted(rows, as_tensor(per_sample_weights), words, mode)
    present = None
    if padding_idx is not None:
        present = comparison.ne(flat, padding_idx % table.shape[0])
    found = _summed(rows, bags, count, present, mode)
    if not include_last_offset or offsets is None:
        return found
    return slices.narrow(found, 0, 0, count - 1)  # words behind the last offset are in no bag


def _summed(rows: Tensor, bags: Tensor, count: int, present: Any, mode: str) -> Tensor:
    """(count, D): the reduced rows of each bag."""
    if mode == "max":
        return _largest(rows, bags, count, present)
    if present is not None:
        rows = comparison.where(wide(present, rows), rows, 0.0)
    total = apply(TABLE["scatter_add"], rows, bags, rows=count)
    if mode == "sum":
        return total
    ones = apply(TABLE["full"], value=1, dtype=rows.dtype, shape=bags.shape)
    if present is not None:
        ones = comparison.where(present, ones, 0.0)
    sizes = apply(TABLE["scatter_add"], ones, bags, rows=count)
    return arithmetic.div(total, wide(arithmetic.maximum(sizes, 1.0), total))


def _bags(words: Tensor, offsets: Operand) -> tuple[Tensor, int]:
    """The number of the bag of each word, and how many bags there are."""
    if len(words.shape) == 2:
        if offsets is not None:
            raise ArgumentError(
                "embedding_bag of a matrix of words has a bag per row and takes no offsets"
            )
        numbers = apply(TABLE["iota"], dtype=dtypes.int64, shape=words.shape, axis=0)
        return apply(TABLE["reshape"], numbers, shape=(words.array_type.size,)), words.shape[0]
    if len(words.shape) != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag takes words (bags, n), or a vector and offsets, not shape {words.shape}"
        )
    starts = as_index(offsets)
    if len(starts.shape) != 1 or not starts.shape[0]:
        raise ShapeError(f"embedding_bag takes a vector of offsets, not shape {starts.shape}")
    starts = _checked(starts, words.shape[0])
    if modes.trace is None:
        begin = starts._concrete("embedding_bag()")
        bags = np.searchsorted(begin, np.arange(words.shape[0]), side="right") - 1
        return wrap(bags.astype(np.int64)), begin.size
    shape = (words.shape[0], starts.shape[0])  # traced: how many bags have begun at each word
    place = apply(TABLE["iota"], dtype=dtypes.int64, shape=shape, axis=0)
    begun = comparison.le(
        expand(apply(TABLE["reshape"], starts, shape=(1, shape[1])), shape), place
    )
    total = apply(TABLE["sum"], comparison.where(begun, 1, 0), axes=(1,))
    return arithmetic.sub(total, 1), shape[1]


def _checked(starts: Tensor, count: int) -> Tensor:
    """The starts of bags of `count` words: from 0 on, ascending, inside the words."""
    for holds in (
        lambda v: v[:1] == 0,
        lambda v: v[1:] >= v[:-1],
        lambda v: v[-1:] <= count,
    ):
        starts = require("embedding_bag", starts, holds, _OFFSETS)
    return starts


def _weighted(rows: Tensor, weights: Tensor, words: Handle, mode: str) -> Tensor:
    if mode != "sum":
        raise ArgumentError(f"per_sample_weights go with mode='sum', not {mode!r}")
    if weights.shape != words.shape:
        raise ShapeError(
            f"per_sample_weights need the shape {words.shape} of the words, not {weights.shape}"
        )
    factors = apply(TABLE["reshape"], weights, shape=(words.array_type.size,))
    return arithmetic.mul(rows, wide(factors, rows))


def _largest(rows: Tensor, bags: Tensor, count: int, present: Any) -> Tensor:
    shape = (count, rows.shape[1])
    lowest = apply(TABLE["full"], value=-np.inf, dtype=rows.dtype, shape=shape)
    if present is not None:
        rows = comparison.where(wide(present, rows), rows, -np.inf)
    out = apply(TABLE["scatter"], lowest, rows, bags, how="max")
    return comparison.where(comparison.eq(out, -np.inf), 0.0, out)
