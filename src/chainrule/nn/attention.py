"""`MultiheadAttention`. Example: `MultiheadAttention(64, 4, batch_first=True)(x, x, x)`.

May import `tensor`.
"""

from __future__ import annotations

from typing import Any

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.nn import init
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.functional.multi_head import multi_head_attention_forward
from chainrule.tensor.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """`Linear` under the name that PyTorch prints for an attention's output."""


class MultiheadAttention(Module):
    """W_o · [heads side by side], each the attention of W_q·query, W_k·key and W_v·value.

    Query (T, N, E), key (S, N, kdim), value (S, N, vdim), or with `batch_first` (N, T, E), …, or
    without N. Where kdim and vdim are E, `in_proj_weight` (3E, E) holds W_q, W_k and W_v.
    Source: Vaswani et al., Attention is all you need (2017).
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole("MultiheadAttention: embed_dim", embed_dim, least=1)
        check_whole("MultiheadAttention: num_heads", num_heads, least=1)
        if embed_dim % num_heads:
            raise ArgumentError(f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout = dropout
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        apart = not self._qkv_same_embed_dim
        for name, shape, wanted in (
            ("q_proj_weight", (embed_dim, embed_dim), apart),
            ("k_proj_weight", (embed_dim, self.kdim), apart),
            ("v_proj_weight", (embed_dim, self.vdim), apart),
            ("in_proj_weight", (3 * embed_dim, embed_dim), not apart),
            ("in_proj_bias", (3 * embed_dim,), bias),
            ("bias_k", (1, 1, embed_dim), add_bias_kv),
            ("bias_v", (1, 1, embed_dim), add_bias_kv),
        ):
            made = Parameter(empty(shape, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, dtype=dtype
        )
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Initialise weights after Glorot & Bengio, and biases with 0."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None,
        average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """The result and the weights (N, T, S); without `need_weights` faster, with None for them.

        `key_padding_mask` (N, S) and `attn_mask` (T, S) or (N·H, T, S) hide keys where True, or are
        added to the scores. `is_causal` declares that attn_mask hides the future; it is not read.
        """
        return multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask, need_weights,
            attn_mask, use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight, k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal, batch_first=self.batch_first,
        )  # fmt: skip
