"""`RotaryEmbedding`: positions as rotations of queries and keys (RoPE).

The product of a rotated query and key depends on the distance of their positions alone.
Example: `rotate = RotaryEmbedding(64); scores = rotate(q) @ rotate(k).transpose(-1, -2)`.
May import `tensor`.
Source: Su et al., RoFormer: Enhanced Transformer with rotary position embedding (2021).
"""

from __future__ import annotations

import numpy as np

from chainrule.base.arguments import check_choice, check_number, check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn.module import Module
from chainrule.tensor.convert import as_tensor, floating, tensor
from chainrule.tensor.functional.creation import arange
from chainrule.tensor.functional.join import cat, stack
from chainrule.tensor.tensor import Tensor


class RotaryEmbedding(Module):
    """(a, b) → (a cos θ - b sin θ, a sin θ + b cos θ) for each pair i of features of x (…, T, D).

    θ = p / base^(2i/D) at position p; D = `dim` is even. `pairing` says which features are a pair,
    and has to be that of the weights that made them:

    - "interleaved": (x₂ᵢ, x₂ᵢ₊₁), as in the paper, in GPT-J and in Meta's files of Llama;
    - "half-split": (xᵢ, xᵢ₊D/₂), as in GPT-NeoX and in Hugging Face's files of Llama.
    """

    _shown = ("dim", "base", "pairing")

    def __init__(self, dim: int, base: float = 10000.0, pairing: str = "interleaved") -> None:
        super().__init__()
        check_whole("RotaryEmbedding: dim", dim, least=2)
        check_number("RotaryEmbedding: base", base, above=0)
        check_choice("RotaryEmbedding: pairing", pairing, ("interleaved", "half-split"))
        if dim % 2:
            raise ArgumentError(f"RotaryEmbedding: dim must be even, not {dim}")
        self.dim, self.base, self.pairing = dim, float(base), pairing

    def forward(self, input: Tensor, positions: Tensor | None = None) -> Tensor:
        """(…, T, dim) → the same shape.

        `positions` are integers that broadcast to (…, T): 0, 1, …, T - 1 unless given.
        """
        x = floating(input)
        if len(x.shape) < 2 or x.shape[-1] != self.dim:
            raise ShapeError(f"RotaryEmbedding takes (…, T, {self.dim}), not shape {x.shape}")
        at = arange(x.shape[-2]) if positions is None else as_tensor(positions)
        exponents = np.arange(0, self.dim, 2) / self.dim
        angles = at.unsqueeze(-1) * tensor(self.base**-exponents, dtype=x.dtype)
        cos, sin = angles.cos(), angles.sin()
        if self.pairing == "half-split":
            a, b = x.chunk(2, -1)
            return cat([a * cos - b * sin, a * sin + b * cos], -1)
        a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
        return stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
