"""Taggers of words: an encoder over word and affix embeddings, and scores or a CRF on top.

    >>> embedding = WordEmbedding(words=1000, affixes=500)
    >>> encoder = RecurrentEncoder(embedding.width, 128)
    >>> model = Tagger(embedding, encoder, tags=17)
    >>> model(codes).shape          # codes: int64 [8, 24, 9], of `text.word_features`; 0 is padding
    (8, 24, 17)

What a word is tagged does not depend on how much padding follows its sentence. May import `nn` and
what lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ConfigError
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.random import rand

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

PADDING, UNKNOWN = 0, 1  # codes behind the end of a sentence, and of words and affixes
_EMBEDDING_STD = 0.3
_RADIUS = 2  # words on either side of a window


class WordEmbedding(nn.Module):
    """The embedding of a word, beside those of its affixes.

    In training a word is replaced by the unknown one with probability `word_dropout`, so that the
    model learns to use affixes and context.
    """

    def __init__(
        self,
        words: int,
        affixes: int,
        kinds: int = 8,
        word_width: int = 100,
        affix_width: int = 32,
        word_dropout: float = 0.2,
    ) -> None:
        """`words` and `affixes` are sizes of vocabularies; a word has `kinds` affixes."""
        super().__init__()
        self.words = nn.Embedding(words, word_width, padding_idx=PADDING)
        self.affixes = nn.Embedding(affixes, affix_width, padding_idx=PADDING)
        for table in (self.words, self.affixes):
            nn.init.normal_(table.weight, std=_EMBEDDING_STD)
            nn.init.zeros_(table.weight[PADDING])
        self.word_dropout = word_dropout
        self.width = word_width + kinds * affix_width

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time, 1 + kinds] → [batch, time, width]."""
        words = codes[:, :, 0]
        if self.training and self.word_dropout:
            hidden = (rand(words.shape) < self.word_dropout) & (words != PADDING)
            words = where(hidden, UNKNOWN, words)
        return cat([self.words(words), self.affixes(codes[:, :, 1:]).flatten(2)], -1)


class WindowEncoder(nn.Module):
    """relu(W [x₋₂ … x₊₂] + b) of each word and its neighbours; outside the sentence x is 0.

    Source: Collobert et al., Natural Language Processing (almost) from Scratch (2011), §3.2.1.
    """

    def __init__(self, width: int, hidden: int, radius: int = _RADIUS) -> None:
        """`radius` is the number of words on either side."""
        super().__init__()
        self.radius, self.width = radius, hidden
        self.linear = nn.Linear((2 * radius + 1) * width, hidden)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, width] → [batch, time, hidden]."""
        time = x.shape[1]
        x = where(inside.unsqueeze(2), x, 0.0)
        wide = F.pad(x, (0, 0, self.radius, self.radius))
        windows = [wide[:, at : at + time] for at in range(2 * self.radius + 1)]
        return F.relu(self.linear(cat(windows, -1)))


class RecurrentEncoder(nn.Module):
    """A bidirectional LSTM.

    Source: Huang et al., Bidirectional LSTM-CRF Models for Sequence Tagging (2015), §2.
    """

    def __init__(self, width: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        """Each direction has `hidden` / 2 units; `dropout` acts between layers."""
        super().__init__()
        if hidden % 2:
            raise ConfigError(f"hidden={hidden} is odd; each direction of the LSTM takes one half")
        self.width = hidden
        self.lstm = nn.LSTM(
            width,
            hidden // 2,
            num_layers=layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=True,
        )

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, width] → [batch, time, hidden]."""
        states: Tensor = self.lstm(x, lengths=inside.sum(1))[0]
        return states


class TransformerEncoder(nn.Module):
    """A projection to `hidden` plus sinusoidal positions, then pre-norm Transformer layers.

    Source: Vaswani et al., Attention is all you need (2017), §3; positions as in §3.5.
    """

    def __init__(
        self, width: int, hidden: int, layers: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        """`hidden` must be a multiple of `heads`, and even."""
        super().__init__()
        if hidden % heads or hidden % 2:
            raise ConfigError(f"hidden={hidden} is not even, or not a multiple of heads={heads}")
        self.width = hidden
        self.linear = nn.Linear(width, hidden)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden, heads, 4 * hidden, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """[batch, time, width] → [batch, time, hidden]."""
        x = self.linear(x) + as_tensor(_positions(x.shape[1], self.width))
        padding = inside.logical_not()
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        states: Tensor = self.norm(x)
        return states


class Tagger(nn.Module):
    """dropout(encoder(dropout(embedding))) · W + b: a score for each tag of each word.

    With `crf`, a linear-chain CRF on the scores chooses the tags of a sentence together.
    Source of the CRF on a BiLSTM: Huang et al. (2015), §2.4.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        encoder: WindowEncoder | RecurrentEncoder | TransformerEncoder,
        tags: int,
        dropout: float = 0.0,
        *,
        crf: bool = False,
    ) -> None:
        """`tags` is the number of tags."""
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, tags)
        self.crf = nn.CRF(tags, batch_first=True) if crf else None

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time, 1 + kinds] → scores [batch, time, tags]."""
        x = self.dropout(self.embedding(codes))
        scores: Tensor = self.head(self.dropout(self.encoder(x, _inside(codes))))
        return scores

    def loss(self, codes: Tensor, tags: Tensor) -> Tensor:
        """The mean over all words of -log p(tag), in nats; with a CRF, -log p(all tags) / words.

        `tags` are int64 [batch, time]; behind the end of a sentence they do not count.
        """
        return self.loss_of(self(codes), codes, tags)

    def loss_of(self, scores: Tensor, codes: Tensor, tags: Tensor) -> Tensor:
        """`loss`, from the scores that `forward` gave."""
        inside = _inside(codes)
        if self.crf is not None:
            likelihood: Tensor = self.crf(scores, tags, inside, reduction="token_mean")
            return -likelihood
        tags = where(inside, tags, -100)
        return F.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=-100)

    def best(self, scores: Any, codes: Any) -> list[NDArray[np.int64]]:
        """The tags of each sentence, without padding, from the scores that `forward` gave."""
        inside = np.asarray(codes)[:, :, 0] != PADDING
        if self.crf is not None:
            paths = self.crf.decode(as_tensor(scores), as_tensor(inside))
            return [np.array(path, np.int64) for path in paths]
        tags = np.asarray(scores).argmax(2)
        return [row[:length] for row, length in zip(tags, inside.sum(1), strict=True)]


def _inside(codes: Tensor) -> Tensor:
    """Whether there is a word: bool [batch, time]."""
    inside: Tensor = codes[:, :, 0] != PADDING
    return inside


def _positions(time: int, width: int) -> NDArray[np.float32]:
    """sin(p / 10000^(2i/width)) in column i and the cosine in column i + width/2, of position p."""
    rates = 1e4 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(time)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
