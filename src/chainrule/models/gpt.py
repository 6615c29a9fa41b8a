"""A decoder-only Transformer over integer codes, after GPT-2.

    >>> model = GPT(vocabulary=65, context=64, layers=4, heads=4, width=128)
    >>> model(codes).shape          # codes: int64 [12, 64]
    (12, 64, 65)

May import `nn` and what lies below it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

# GPT-2's standard deviation at its width; narrower models need larger initial weights.
GPT2_STD, GPT2_WIDTH = 0.02, 768


class Attention(nn.Module):
    """softmax(q kᵀ / √d + causal mask) v over `heads` slices of the width, then a projection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """`width` must be a multiple of `heads`."""
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, width] → the same shape; a position attends to itself and earlier ones."""
        batch, time, width = x.shape
        qkv = self.qkv(x).view(batch, time, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        projected: Tensor = self.projection(mixed.transpose(1, 2).reshape(batch, time, width))
        return projected


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): pre-norm residual halves."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """The hidden layer of the MLP has width 4 · `width`."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, width] → the same shape."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        out: Tensor = x + self.dropout(self.narrow(F.gelu(self.widen(self.norm2(x)))))
        return out


def count_parameters(vocabulary: int, context: int, layers: int, width: int) -> int:
    """The number of parameters of a `GPT` of these sizes, without building it."""
    block = 12 * width * width + 13 * width
    return layers * block + (2 * vocabulary + context + 2) * width


class GPT(nn.Module):
    """codes → logits of the next code at every position."""

    def __init__(
        self,
        vocabulary: int,
        context: int,
        layers: int,
        heads: int,
        width: int,
        dropout: float = 0.0,
    ) -> None:
        """`context` is the longest input; weights come from the global random state."""
        super().__init__()
        if width % heads:
            raise ConfigError(f"width={width} is not a multiple of heads={heads}")
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self._initialise(layers, GPT2_STD * math.sqrt(GPT2_WIDTH / width))

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time ≤ context] → logits [batch, time, vocabulary]."""
        x = self.tokens(codes) + self.positions.weight[: codes.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def _initialise(self, layers: int, std: float) -> None:
        """Matrices from N(0, std), biases 0; matrices before a residual sum / √(2 · layers).

        Source: Radford et al., Language Models are Unsupervised Multitask Learners (2019), §2.3.
        """
        for name, parameter in self.named_parameters():
            if name.endswith(".bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                ends_residual = name.endswith(("projection.weight", "narrow.weight"))
                nn.init.normal_(
                    parameter, std=std / math.sqrt(2 * layers) if ends_residual else std
                )
