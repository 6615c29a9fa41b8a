"""Recurrent language models: a state is carried from token to token, as far as the text goes.

    >>> model = RecurrentLanguageModel("lstm", vocabulary=65, width=128, layers=1)
    >>> logits, state = model(codes)                 # codes: int64 [12, 64]
    >>> logits, state = model(following, state)      # the 64 codes after them
    >>> logits.shape
    (12, 64, 65)

May import `nn` and what lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule import nn
from chainrule.base.errors import ConfigError
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.functional.join import stack

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentLanguageModel(nn.Module):
    """Embedding, recurrent layers, and logits of the next code at every position.

    The state is one tensor [parts, layers, batch, width]: h and c of an LSTM, h of the others.
    Source: Mikolov et al., Recurrent neural network based language model (2010).
    """

    def __init__(
        self, kind: str, vocabulary: int, width: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        """`kind` is "lstm", "gru" or "rnn"; `dropout` acts between layers and before the logits."""
        super().__init__()
        if kind not in KINDS:
            raise ConfigError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        self.layers, self.width = layers, width
        self.parts = 2 if kind == "lstm" else 1
        self.tokens = nn.Embedding(vocabulary, width)
        between = dropout if layers > 1 else 0.0
        self.cells = KINDS[kind](width, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, codes: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """int64 [batch, time], state → (logits [batch, time, vocabulary], state at the end).

        Without a state the text begins here.
        """
        if state is None:
            state = zeros(self.parts, self.layers, codes.shape[0], self.width)
        given = (state[0], state[1]) if self.parts == 2 else state[0]
        seen, last = self.cells(self.tokens(codes), given)
        logits: Tensor = self.head(self.dropout(seen))
        return logits, stack(list(last) if self.parts == 2 else [last])
