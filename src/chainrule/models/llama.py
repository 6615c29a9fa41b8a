"""A decoder-only Transformer over integer codes, after Llama: RMSNorm, RoPE, SwiGLU, shared heads.

    >>> model = Llama(vocabulary=65, context=64, layers=4, heads=4, width=128, kv_heads=2)
    >>> model(codes).shape          # codes: int64 [12, 64]
    (12, 64, 65)

Parameters have the names that they have in Hugging Face's files of Llama, whose conventions hold.
May import `nn` and what lies below it. Source: Touvron et al., LLaMA (2023) and Llama 2 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule import nn
from chainrule.base.errors import ConfigError, ShapeError
from chainrule.models.gpt import GPT2_STD, GPT2_WIDTH

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class DecoderLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): pre-norm residual halves."""

    def __init__(
        self, attention: nn.GroupedQueryAttention, hidden: int, eps: float, dropout: float = 0.0
    ) -> None:
        """`hidden` is the width inside the feed-forward half; `dropout` is that of both halves."""
        super().__init__()
        width = attention.embed_dim
        self.input_layernorm = nn.RMSNorm(width, eps)
        self.self_attn = attention
        self.post_attention_layernorm = nn.RMSNorm(width, eps)
        self.mlp = nn.SwiGLU(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: nn.KVCache | None = None) -> Tensor:
        """[batch, time, width] → the same shape; `cache` as in `GroupedQueryAttention`."""
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cache))
        out: Tensor = x + self.dropout(self.mlp(self.post_attention_layernorm(x)))
        return out


def _inner(width: int) -> int:
    """The width inside the feed-forward half: as many weights as GPT's, a multiple of 16."""
    return 16 * math.ceil(8 * width / 3 / 16)


def count_parameters(
    vocabulary: int, layers: int, heads: int, width: int, kv_heads: int | None = None
) -> int:
    """The number of parameters of a `Llama` of these sizes, whose embeddings are tied."""
    shared = width // heads * (kv_heads or heads)
    layer = 2 * width * (width + shared) + 3 * width * _inner(width) + 2 * width
    return layers * layer + (vocabulary + 1) * width


class Llama(nn.Module):
    """codes → logits of the next code at every position."""

    def __init__(
        self,
        vocabulary: int,
        context: int,
        layers: int,
        heads: int,
        width: int,
        kv_heads: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        base: float = 10000.0,
        eps: float = 1e-5,
        tied: bool = False,
    ) -> None:
        """`context` is the longest input; `hidden` is 8/3 · width unless given, `base` is RoPE's.

        `kv_heads` heads of keys and values serve all `heads`. `tied`: one matrix embeds the codes
        and gives the logits. Weights come from the global random state.
        """
        super().__init__()
        if width % heads or width // heads % 2:
            raise ConfigError(f"width={width} is not an even multiple of heads={heads}")
        self.context = context
        rotary = nn.RotaryEmbedding(width // heads, base, "half-split")
        inner = _inner(width) if hidden is None else hidden
        stack = [
            DecoderLayer(
                nn.GroupedQueryAttention(width, heads, kv_heads, rotary=rotary, dropout=dropout),
                inner,
                eps,
                dropout,
            )
            for _ in range(layers)
        ]
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(vocabulary, width),
                "layers": nn.ModuleList(stack),
                "norm": nn.RMSNorm(width, eps),
            }
        )
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.model["embed_tokens"].weight
        self._initialise(layers, GPT2_STD * math.sqrt(GPT2_WIDTH / width))

    def caches(self, batch: int, length: int | None = None) -> list[nn.KVCache]:
        """An empty cache for each layer, for `length` positions: `context` unless given."""
        dtype = self.lm_head.weight.dtype
        most = self.context if length is None else length
        return [layer.self_attn.cache(batch, most, dtype) for layer in self.model["layers"]]

    def forward(self, codes: Tensor, caches: Sequence[nn.KVCache] | None = None) -> Tensor:
        """int64 [batch, time ≤ context] → logits [batch, time, vocabulary].

        With `caches`, the codes follow those that the caches have seen.
        """
        if caches is None and codes.shape[1] > self.context:
            raise ShapeError(f"{codes.shape[1]} codes are more than context={self.context}")
        x = self.model["embed_tokens"](codes)
        layers = self.model["layers"]
        seen: Sequence[nn.KVCache | None] = caches or [None] * len(layers)
        for layer, cache in zip(layers, seen, strict=True):
            x = layer(x, cache)
        logits: Tensor = self.lm_head(self.model["norm"](x))
        return logits

    def _initialise(self, layers: int, std: float) -> None:
        """Matrices from N(0, std); those before a residual sum / √(2 · layers), as in `GPT`."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                ends_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(
                    parameter, std=std / math.sqrt(2 * layers) if ends_residual else std
                )
