"""Multi-head attention with its projections, in PyTorch's form.

    heads(x) = x split along its last axis    out = W_o · attention(heads(W_q q), heads(W_k k), …)

Without weights to return, the attention is one op; masks reach it as they are, not repeated.
Example: see `nn.MultiheadAttention`. Source: Vaswani et al., Attention is all you need (2017).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DTypeError, KindError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import (
    arithmetic,
    comparison,
    join,
    layout,
    normalize,
    products,
    reduce,
    slices,
)
from chainrule.tensor.functional.attention import masked_attention, open_where
from chainrule.tensor.functional.dropout import dropout
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class Projections(NamedTuple):
    """Weights of the three inputs, together (3E, E) or apart, and their biases (3E)."""

    together: Tensor | None
    apart: tuple[Tensor | None, Tensor | None, Tensor | None]
    bias: Tensor | None

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """W_q q + b_q, W_k k + b_k, W_v v + b_v; equal inputs share a product."""
        if self.together is None:
            biases = (None,) * 3 if self.bias is None else slices.chunk(self.bias, 3)
            given = zip((query, key, value), self.apart, biases, strict=True)
            return tuple(products.linear(x, w, b) for x, w, b in given)
        width = self.together.shape[0] // 3
        runs = [(query, 1), (key, 1), (value, 1)]
        if key is value:
            runs = [(query, 3)] if query is key else [(query, 1), (key, 2)]
        out: list[Tensor] = []
        for x, parts in runs:
            start, size = len(out) * width, parts * width
            weight = slices.narrow(self.together, 0, start, size)
            bias = None if self.bias is None else slices.narrow(self.bias, 0, start, size)
            out += slices.split(products.linear(x, weight, bias), width, -1)
        return tuple(out)


class Masks(NamedTuple):
    """What hides keys, True or an added number: (N, S), and (T, S) or (N·H, T, S)."""

    padding: Tensor | None
    pairs: Tensor | None
    causal: bool = False  # the pairs are known to be those of the future

    def additive(self, shape: tuple[int, int, int, int], extra: int, dtype: DType) -> Tensor | None:
        """One number to add to each score, (N or 1, H or 1, T or 1, S), `extra` keys always seen.

        The pairs are left out where they are known to be causal.
        """
        batch, heads, queries, keys = shape
        given = keys - extra
        found: list[Tensor] = []
        if self.padding is not None:
            _check_mask("key_padding_mask", self.padding, ((batch, given),))
            found.append(layout.reshape(_seen(self.padding, extra, dtype), (batch, 1, 1, keys)))
        if self.pairs is not None and not self.causal:
            wanted = ((queries, given), (batch * heads, queries, given))
            _check_mask("attn_mask", self.pairs, wanted)
            lead = (1, 1) if len(self.pairs.shape) == 2 else (batch, heads)
            pairs = _seen(self.pairs, extra, dtype)
            found.append(layout.reshape(pairs, (*lead, queries, keys)))
        if len(found) == 2:
            return arithmetic.add(*found)
        return found[0] if found else None


def _check_mask(name: str, mask: Tensor, wanted: tuple[tuple[int, ...], ...]) -> None:
    if mask.shape not in wanted:
        shown = " or ".join(map(str, wanted))
        raise ShapeError(f"{name} has shape {mask.shape}; it must be {shown}", axis={name: None})
    if mask.dtype is not dtypes.bool_ and mask.dtype.kind != "float":
        raise DTypeError(f"{name} is bool or float, not {mask.dtype}; use mask.bool()")


def _seen(mask: Tensor, extra: int, dtype: DType) -> Tensor:
    """The mask as numbers to add, with `extra` keys more that are seen."""
    if mask.dtype is dtypes.bool_:
        mask = open_where(comparison.logical_not(mask), dtype)
    mask = cast(mask, dtype)
    return pad(mask, (0, extra)) if extra else mask


def _longer(x: Tensor, learnt: Tensor | None, axis: int, *, zero: bool) -> Tensor:
    """Keys or values with a learnt place (1, 1, E) behind them, and one of zeros."""
    one = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    parts = [x]
    if learnt is not None:
        parts.append(expand(learnt, one))
    if zero:
        parts.append(apply(TABLE["full"], value=0, dtype=x.dtype, shape=one))
    return join.cat(parts, axis) if len(parts) > 1 else x


class Extras(NamedTuple):
    """Keys and values that every query sees besides: learnt ones, and zeros."""

    key: Tensor | None = None
    value: Tensor | None = None
    zero: bool = False


def attend(
    inputs: tuple[Tensor, Tensor, Tensor], heads: int, projections: Projections, extras: Extras,
    masks: Masks, *, dropout_p: float, need_weights: bool, batch_first: bool,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The heads' results side by side, in the layout of the inputs, and the weights (N, H, T, S).

    Inputs are (T, N, E), or (N, T, E) with `batch_first`.
    """
    _check(inputs, heads, projections, batch_first=batch_first)
    q, k, v = projections(*inputs)
    batch, time = (0, 1) if batch_first else (1, 0)
    k = _longer(k, extras.key, time, zero=extras.zero)
    v = _longer(v, extras.value, time, zero=extras.zero)
    count = (extras.key is not None) + extras.zero
    shape = (q.shape[batch], heads, q.shape[time], k.shape[time])
    width = q.shape[-1]
    q, k, v = (
        layout.permute(
            layout.reshape(x, (*x.shape[:2], heads, x.shape[2] // heads)), (batch, 2, time, 3)
        )
        for x in (q, k, v)
    )
    factor = 1 / math.sqrt(max(q.shape[-1], 1))
    if masks.causal and masks.pairs is None:
        raise ArgumentError("is_causal is a hint about attn_mask: give the mask, too")
    if need_weights or count:
        masks = masks._replace(causal=False)
    mask = masks.additive(shape, count, q.dtype)
    weights = None
    if need_weights:
        scores = products.matmul(arithmetic.mul(q, factor), layout.transpose(k, -2, -1))
        scores = scores if mask is None else arithmetic.add(scores, mask)
        weights = dropout(normalize.softmax(scores, -1), dropout_p)
        out = products.matmul(weights, v)
    else:
        out = masked_attention((q, k, v), mask, factor, dropout_p, causal=masks.causal)
    out = layout.permute(out, (0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
    return layout.reshape(out, (*out.shape[:2], width)), weights


def _check(
    inputs: tuple[Tensor, Tensor, Tensor],
    heads: int,
    projections: Projections,
    *,
    batch_first: bool,
) -> None:
    query, key, value = (x.shape for x in inputs)
    batch, time = (0, 1) if batch_first else (1, 0)
    weight = projections.apart[0] if projections.together is None else projections.together
    if weight is None:
        raise KindError("multi_head_attention_forward: in_proj_weight is a tensor, not None")
    if not len(query) == len(key) == len(value) == 3:
        raise ShapeError(f"attention takes 2 or 3 axes each, not {query}, {key}, {value}")
    if key[time] != value[time] or not query[batch] == key[batch] == value[batch]:
        raise ShapeError(
            f"query {query}, key {key} and value {value} differ in batch (axis {batch}) or keys "
            f"and values in length (axis {time}); batch_first is {batch_first}"
        )
    if query[-1] != weight.shape[-1]:
        raise ShapeError(f"query has {query[-1]} features, the layer takes {weight.shape[-1]}")
    if query[-1] % heads:
        raise ArgumentError(f"{query[-1]} features do not make {heads} equal heads")


@one_call
@of_kinds
def multi_head_attention_forward(
    query: Operand, key: Operand, value: Operand, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False, *, batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """W_o · attention of heads: query (T, N, E) or (T, E), key and value (S, N, …) or (S, …).

    Masks hide where True or add numbers: `key_padding_mask` (N, S) or (S), `attn_mask` (T, S) or
    (N·H, T, S). `is_causal` says that attn_mask hides the future. Returns (T, N, E) and, if
    wanted, the weights (N, T, S), or (N, H, T, S) if not averaged. A fully masked row gives zeros.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    """
    if static_k is not None or static_v is not None:
        raise ArgumentError("static_k and static_v are not supported: pass key and value")
    inputs = as_tensor(query), as_tensor(key), as_tensor(value)
    if (width := inputs[0].shape[-1]) != embed_dim_to_check:
        raise ShapeError(f"query has {width} features, not {embed_dim_to_check}")
    batch = 0 if batch_first else 1
    padding, pairs = (None if m is None else as_tensor(m) for m in (key_padding_mask, attn_mask))
    single = len(inputs[0].shape) == 2
    if single:
        inputs = _once(inputs, batch)
        padding = None if padding is None else layout.unsqueeze(padding, 0)
    together = None if use_separate_proj_weight else in_proj_weight
    out, weights = attend(
        inputs,
        num_heads,
        Projections(together, (q_proj_weight, k_proj_weight, v_proj_weight), in_proj_bias),
        Extras(bias_k, bias_v, add_zero_attn),
        Masks(padding, pairs, is_causal),
        dropout_p=dropout_p if training else 0.0,
        need_weights=need_weights,
        batch_first=batch_first,
    )
    out = products.linear(out, out_proj_weight, out_proj_bias)
    return _shown(out, weights, batch if single else None, average=average_attn_weights)


def _shown(
    out: Tensor, weights: Tensor | None, axis: int | None, *, average: bool
) -> tuple[Tensor, Tensor | None]:
    """Weights averaged over heads if wanted, and both without the batch axis that was added."""
    if weights is not None and average:
        weights = reduce.mean(weights, 1)
    if axis is not None:
        out = layout.squeeze(out, axis)
        weights = None if weights is None else layout.squeeze(weights, 0)
    return out, weights


def _once(inputs: tuple[Tensor, Tensor, Tensor], axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch axis of 1; what is the same tensor stays the same."""
    made = {id(x): layout.unsqueeze(x, axis) for x in inputs}
    q, k, v = (made[id(x)] for x in inputs)
    return q, k, v
