"""Encoders of sequences: a window, a bidirectional LSTM or a Transformer over embedded tokens.

    >>> encoder = RecurrentEncoder(64, 128)
    >>> encoder(x, inside).shape    # x: float32 [8, 24, 64]; inside: bool [8, 24], False is padding
    (8, 24, 128)

A state does not depend on how much padding follows its sequence. May import `nn` and what lies
below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ConfigError
from chainrule.models.sinusoids import sinusoids
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.join import cat

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_RADIUS = 2  # words on either side of a window


class WindowEncoder(nn.Module):
    """relu(W [x₋₂ … x₊₂] + b) of each word and its neighbours; outside the sentence x is 0.

    Source: Collobert et al., Natural Language Processing (almost) from Scratch (2011), §3.2.1.
    """

    def __init__(self, inputs: int, width: int, radius: int = _RADIUS) -> None:
        """`radius` is the number of words on either side."""
        super().__init__()
        self.radius, self.width = radius, width
        self.linear = nn.Linear((2 * radius + 1) * inputs, width)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, inputs] → [batch, time, width]."""
        time = x.shape[1]
        x = where(inside.unsqueeze(2), x, 0.0)
        wide = F.pad(x, (0, 0, self.radius, self.radius))
        windows = [wide[:, at : at + time] for at in range(2 * self.radius + 1)]
        return F.relu(self.linear(cat(windows, -1)))


class RecurrentEncoder(nn.Module):
    """A bidirectional LSTM.

    Source: Huang et al., Bidirectional LSTM-CRF Models for Sequence Tagging (2015), §2.
    """

    def __init__(self, inputs: int, width: int, layers: int = 1, dropout: float = 0.0) -> None:
        """Each direction has `width` / 2 units; `dropout` acts between layers."""
        super().__init__()
        if width % 2:
            raise ConfigError(f"width={width} is odd; each direction of the LSTM takes one half")
        self.width = width
        self.lstm = nn.LSTM(
            inputs,
            width // 2,
            num_layers=layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=True,
        )

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, inputs] → [batch, time, width]."""
        states: Tensor = self.lstm(x, lengths=inside.sum(1))[0]
        return states


class TransformerEncoder(nn.Module):
    """A projection to `width` plus sinusoidal positions, then pre-norm Transformer layers.

    Source: Vaswani et al., Attention is all you need (2017), §3; positions as in §3.5.
    """

    def __init__(
        self, inputs: int, width: int, layers: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        """`width` must be a multiple of `heads`, and even."""
        super().__init__()
        if width % heads or width % 2:
            raise ConfigError(f"width={width} is not even, or not a multiple of heads={heads}")
        self.width = width
        self.linear = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, inputs] → [batch, time, width]."""
        x = self.linear(x) + sinusoids(x.shape[1], self.width)
        padding = inside.logical_not()
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        states: Tensor = self.norm(x)
        return states
