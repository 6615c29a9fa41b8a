"""Scaled dot-product attention in PyTorch's form.

Example: `F.scaled_dot_product_attention(q, k, v, is_causal=True)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#attention-mechanisms
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.base import dtypes, shapes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand
from chainrule.tensor.dispatch import apply, apply_many
from chainrule.tensor.functional import (
    arithmetic,
    comparison,
    diagonal,
    layout,
    masked,
    normalize,
    products,
)
from chainrule.tensor.functional.dropout import dropout
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_RANK = 4


@one_call
@of_kinds
def scaled_dot_product_attention(
    query: Operand, key: Operand, value: Operand, attn_mask: Operand = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q kᵀ · scale + mask) v; scale is 1/√D unless given.

    q (…, T, D), k (…, S, D), v (…, S, E). `attn_mask` is added if float; if bool, False masks out.
    `is_causal` lets position t see positions ≤ t. A fully masked row gives zeros. `enable_gqa`
    lets groups of query heads (axis -3) share a head of k and v.
    """
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    if is_causal and attn_mask is not None:
        raise ArgumentError("give attn_mask or is_causal, not both")
    if min(map(len, (q.shape, k.shape, v.shape))) < 2:
        raise ShapeError(f"attention needs matrices, not {q.shape}, {k.shape}, {v.shape}")
    if enable_gqa:
        k, v = (_shared_by_groups(x, q) for x in (k, v))
    factor = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale
    mask = None if attn_mask is None else _additive(as_tensor(attn_mask), q)
    if mask is not None:
        _check_mask(mask.shape, q.shape, k.shape)
    return masked_attention((q, k, v), mask, factor, dropout_p, causal=is_causal)


def masked_attention(
    parts: tuple[Tensor, Tensor, Tensor], mask: Tensor | None, factor: float,
    dropout_p: float = 0.0, *, causal: bool,
) -> Tensor:  # fmt: skip
    """As above from q, k, v and an additive mask, which `causal` does not exclude."""
    q, k, v = parts
    if dropout_p > 0.0:
        return _with_dropout(parts, mask, factor, dropout_p, is_causal=causal)
    batch = shapes.broadcast(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    operands = [_four(x, batch) for x in parts]
    if mask is not None:
        operands.append(_four(mask, batch, (q.shape[-2], k.shape[-2])))
    out, _ = apply_many(TABLE["attention"], *operands, scale=factor, causal=causal)
    shape = (*batch, q.shape[-2], v.shape[-1])
    return out if out.shape == shape else apply(TABLE["reshape"], out, shape=shape)


def _shared_by_groups(x: Tensor, q: Tensor) -> Tensor:
    """(…, H/g, S, D) → (…, H, S, D): each head g times in a row."""
    heads = q.shape[-3] if len(q.shape) > 2 else 0
    own = x.shape[-3] if len(x.shape) > 2 else 0
    if not own or heads % own:
        raise ShapeError(
            f"enable_gqa needs a number of query heads that those of k and v divide, not shapes "
            f"{q.shape} and {x.shape}"
        )
    lead, rest = x.shape[:-3], x.shape[-2:]
    apart = apply(TABLE["reshape"], x, shape=(*lead, own, 1, *rest))
    repeated = expand(apart, (*lead, own, heads // own, *rest))
    return apply(TABLE["reshape"], repeated, shape=(*lead, heads, *rest))


def _four(x: Tensor, batch: shapes.Shape, last: shapes.Shape | None = None) -> Tensor:
    """`x` with exactly two batch axes."""
    wide = expand(x, (*batch, *(last or x.shape[-2:])))
    if len(wide.shape) == _RANK:
        return wide
    merged = (shapes.size(batch[:-1]), batch[-1]) if batch else (1, 1)
    return apply(TABLE["reshape"], wide, shape=(*merged, *wide.shape[-2:]))


def _check_mask(mask: shapes.Shape, q: shapes.Shape, k: shapes.Shape) -> None:
    wanted = (*q[:-1], k[-2])
    lead = wanted[len(wanted) - len(mask) :]
    if len(mask) <= len(wanted) and all(m in {1, n} for m, n in zip(mask, lead, strict=True)):
        return
    way = ""
    if len(q) == _RANK and mask == (q[0], k[-2]):
        way = "\n  one of (batch, keys) is mask[:, None, None, :]"
    elif len(q) == _RANK and mask == (q[0], q[-2], k[-2]):
        way = "\n  one of (batch, queries, keys) is mask[:, None]"
    raise ShapeError(
        f"attn_mask {mask} does not broadcast to the scores {wanted}{way}", axis={"attn_mask": None}
    )


def _additive(mask: Tensor, q: Tensor) -> Tensor:
    if mask.dtype is dtypes.bool_:
        return open_where(mask, q.dtype)
    if mask.dtype.kind != "float":
        raise DTypeError(
            f"attn_mask is bool (True shows) or float (added), not {mask.dtype}\n  use mask.bool()",
            axis={"attn_mask": None},
        )
    return cast(mask, q.dtype)


def open_where(allowed: Tensor, dtype: DType) -> Tensor:
    """The additive mask: 0 where allowed, -inf elsewhere."""
    zero = apply(TABLE["full"], value=0.0, dtype=dtype, shape=())
    return comparison.where(allowed, zero, -math.inf)


def _with_dropout(
    parts: tuple[Tensor, Tensor, Tensor],
    mask: Tensor | None,
    factor: float,
    p: float,
    *,
    is_causal: bool,
) -> Tensor:
    q, k, v = parts
    scores = arithmetic.mul(products.matmul(q, layout.transpose(k, -2, -1)), factor)
    if mask is not None:
        scores = arithmetic.add(scores, mask)
    if is_causal:
        whole = apply(TABLE["full"], value=True, dtype=dtypes.bool_, shape=scores.shape)
        allowed = diagonal.tril(whole)
        scores = masked.masked_fill(scores, comparison.logical_not(allowed), -math.inf)
    return products.matmul(dropout(normalize.softmax(scores, -1), p), v)
