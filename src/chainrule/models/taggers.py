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
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder, WindowEncoder
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.random import rand

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

PADDING, UNKNOWN = 0, 1  # codes behind the end of a sentence, and of words and affixes
_EMBEDDING_STD = 0.3


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
        self.words = nn.Embedding(words, word_width)
        self.affixes = nn.Embedding(affixes, affix_width)
        for table in (self.words, self.affixes):
            nn.init.normal_(table.weight, std=_EMBEDDING_STD)
        self.word_dropout = word_dropout
        self.width = word_width + kinds * affix_width

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time, 1 + kinds] → [batch, time, width]."""
        words = codes[:, :, 0]
        if self.training and self.word_dropout:
            hidden = (rand(words.shape) < self.word_dropout) & (words != PADDING)
            words = where(hidden, UNKNOWN, words)
        return cat([self.words(words), self.affixes(codes[:, :, 1:]).flatten(2)], -1)


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
