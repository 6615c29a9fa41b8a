"""A feed-forward language model: the last few tokens, side by side, through one hidden layer.

    >>> model = WindowLanguageModel(vocabulary=65, reach=8, width=128)
    >>> model(codes).shape          # codes: int64 [12, 64]
    (12, 64, 65)

May import `nn` and what lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import chainrule.nn.functional as F
from chainrule import nn

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_EMBEDDED = 4  # an embedding is a quarter of the hidden layer


class WindowLanguageModel(nn.Module):
    """logits = head(tanh(hidden([e(cₜ₋ₙ₊₁), …, e(cₜ)]))) at every position t, with n = `reach`.

    Before the first code there are zeros. Source: Bengio et al., A Neural Probabilistic Language
    Model (2003).
    """

    def __init__(self, vocabulary: int, reach: int, width: int, dropout: float = 0.0) -> None:
        """`width` is that of the hidden layer; the product of windows is a convolution."""
        super().__init__()
        self.reach = reach
        embedded = max(1, width // _EMBEDDED)
        self.tokens = nn.Embedding(vocabulary, embedded)
        self.hidden = nn.Conv1d(embedded, width, reach)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time] → logits [batch, time, vocabulary]."""
        x = self.tokens(codes).transpose(1, 2)
        x = self.hidden(F.pad(x, (self.reach - 1, 0))).transpose(1, 2)
        logits: Tensor = self.head(self.dropout(x.tanh()))
        return logits
