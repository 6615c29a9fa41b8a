"""Causal attention whose heads share keys and values, and the cache for its generation.

Example: `GroupedQueryAttention(64, num_heads=8, num_kv_heads=2)(x)` for x (B, T, 64).
May import `tensor`.
Source: Ainslie et al., GQA: Training generalized multi-query Transformer models (2023).
"""

from __future__ import annotations

from typing import Any

from chainrule.base.arguments import check_probability, check_whole
from chainrule.base.dtypes import int64
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError
from chainrule.nn import functional
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.rotary import RotaryEmbedding
from chainrule.tensor.convert import as_tensor, check_device
from chainrule.tensor.functional.creation import arange, zeros
from chainrule.tensor.modes import no_grad
from chainrule.tensor.require import require
from chainrule.tensor.tensor import Tensor


class KVCache(Module):
    """Keys and values (B, H, max_length, D) of the `length` positions so far, for one layer.

    The buffers have a fixed shape and the length is a tensor, so that one compiled step serves all
    positions. They are no part of a `state_dict`.
    """

    keys: Tensor
    values: Tensor
    length: Tensor
    _shown = ("max_length",)

    def __init__(
        self, batch_size: int, num_kv_heads: int, max_length: int, head_dim: int,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        self.max_length = check_whole("KVCache: max_length", max_length, least=1)
        shape = (batch_size, num_kv_heads, max_length, head_dim)
        self.register_buffer("keys", zeros(shape, dtype=dtype), persistent=False)
        self.register_buffer("values", zeros(shape, dtype=dtype), persistent=False)
        self.register_buffer("length", zeros((), dtype=int64), persistent=False)

    def reset(self) -> None:
        """Forget all positions."""
        with no_grad():
            self.length.zero_()

    def next_positions(self, count: int) -> Tensor:
        """The numbers (count) of the next positions."""
        rule = (
            f"{count} positions after {{}} do not fit in max_length={self.max_length}\n"
            "  reset() the cache, or make it longer"
        )
        most = self.max_length - count
        used = require("KVCache", self.length, lambda n: n <= most, rule, IndexBoundsError)
        return used + arange(count)

    def forward(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values, those of the next positions (B, H, T, D) written behind the others.

        What stands beyond the new length is to be masked out.
        """
        wanted = (*self.keys.shape[:2], keys.shape[2], self.keys.shape[3])
        if keys.shape != wanted or values.shape != wanted:
            raise ShapeError(f"KVCache takes two of {wanted}, not {keys.shape} and {values.shape}")
        at = self.next_positions(keys.shape[2])
        self.keys = self.keys.index_copy(2, at, keys)
        self.values = self.values.index_copy(2, at, values)
        self.length = self.length + keys.shape[2]
        return self.keys, self.values


class GroupedQueryAttention(Module):
    """W_o · [heads side by side], head h = softmax(q_h k_gᵀ / √D + causal mask) v_g of group g.

    q = W_q x has `num_heads` heads, k = W_k x and v = W_v x have `num_kv_heads`, each shared by a
    group of query heads: one is multi-query attention, num_heads (the default) is the usual one.
    D = embed_dim / num_heads unless `head_dim` is given; `rotary` turns q and k by their positions.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, num_kv_heads: int | None = None,
        head_dim: int | None = None, rotary: RotaryEmbedding | None = None, dropout: float = 0.0,
        bias: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        shared = num_heads if num_kv_heads is None else num_kv_heads
        check_whole("GroupedQueryAttention: num_heads", num_heads, least=1)
        check_whole("GroupedQueryAttention: num_kv_heads", shared, least=1)
        check_probability("GroupedQueryAttention: dropout", dropout)
        if num_heads % shared:
            raise ArgumentError(f"num_heads={num_heads} is not a multiple of num_kv_heads={shared}")
        if head_dim is None and embed_dim % num_heads:
            raise ArgumentError(f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}")
        width = embed_dim // num_heads if head_dim is None else head_dim
        if rotary is not None and rotary.dim != width:
            raise ArgumentError(f"rotary turns {rotary.dim} features, and a head has {width}")
        self.embed_dim, self.head_dim = embed_dim, width
        self.num_heads, self.num_kv_heads = num_heads, shared
        self.dropout = dropout
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.q_proj = Linear(embed_dim, num_heads * width, **made)
        self.k_proj = Linear(embed_dim, shared * width, **made)
        self.v_proj = Linear(embed_dim, shared * width, **made)
        self.o_proj = Linear(num_heads * width, embed_dim, **made)
        self.rotary = rotary

    def cache(self, batch_size: int, max_length: int, dtype: Any = None) -> KVCache:
        """An empty cache for this layer."""
        return KVCache(batch_size, self.num_kv_heads, max_length, self.head_dim, dtype=dtype)

    def forward(self, input: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T, embed_dim) → the same shape; a position attends to itself and earlier ones.

        With a `cache`, the input is what follows the positions in it, which it attends to as well.
        """
        x = as_tensor(input)
        if len(x.shape) != 3 or x.shape[2] != self.embed_dim:
            raise ShapeError(f"attention takes (B, T, {self.embed_dim}), not shape {x.shape}")
        q, k, v = (
            projection(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        positions = arange(x.shape[1]) if cache is None else cache.next_positions(x.shape[1])
        if self.rotary is not None:
            q, k = self.rotary(q, positions), self.rotary(k, positions)
        seen = None
        if cache is not None:
            k, v = cache(k, v)
            seen = arange(cache.max_length) <= positions.unsqueeze(-1)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, seen, self.dropout if self.training else 0.0, is_causal=cache is None,
            enable_gqa=True,
        )  # fmt: skip
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}, num_kv_heads={self.num_kv_heads}"
