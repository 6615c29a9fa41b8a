"""Classifiers of texts: a bag of embeddings, convolutions, or an encoder of sequences.

    >>> model = ConvolutionClassifier(vocabulary=1000, classes=5)
    >>> model(codes).shape          # codes: int64 [8, 40]; code 0 is padding
    (8, 5)

What a text is classified as does not depend on how much padding follows it. May import `nn` and
what lies below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.creation import arange
from chainrule.tensor.functional.join import cat

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

PADDING = 0  # the code behind the end of a text
_EMBEDDING_STD = 0.1
_LEAST = -1e30  # below every state of an encoder


class BagClassifier(nn.Module):
    """dropout(mean of the embeddings of all words) · W + b: the order of words does not count.

    Source: Joulin et al., Bag of Tricks for Efficient Text Classification (2017), without n-grams.
    """

    def __init__(
        self, vocabulary: int, classes: int, width: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=_EMBEDDING_STD)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time] → scores [batch, classes]."""
        scores: Tensor = self.head(self.dropout(self.embedding(codes)))
        return scores


class ConvolutionClassifier(nn.Module):
    """max over time of relu(convolution), with windows of several sizes; dropout; · W + b.

    A window of k words may reach over either end of a text by k - 1 words, which are zeros.
    Source: Kim, Convolutional Neural Networks for Sentence Classification (2014), §2.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        width: int = 128,
        filters: int = 100,
        windows: Sequence[int] = (3, 4, 5),
        dropout: float = 0.0,
    ) -> None:
        """`filters` is their number for each size in `windows`."""
        super().__init__()
        self.embedding = _embedding(vocabulary, width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, filters, size, padding=size - 1) for size in windows
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(windows), classes)

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time] → scores [batch, classes]."""
        x = self.embedding(codes).transpose(1, 2)
        lengths = (codes != PADDING).sum(1, keepdim=True)
        strongest = []
        for convolution in self.convolutions:
            found = F.relu(convolution(x))
            touching = lengths + (convolution.kernel_size[0] - 1)  # windows with a word in them
            counts = arange(found.shape[2]) < touching
            strongest.append(where(counts.unsqueeze(1), found, 0.0).amax(2))  # relu is at least 0
        scores: Tensor = self.head(self.dropout(cat(strongest, 1)))
        return scores


class EncodedClassifier(nn.Module):
    """max over time of the states of an encoder; dropout; · W + b.

    Source: Conneau et al., Supervised Learning of Universal Sentence Representations from Natural
    Language Inference Data (2017), §3.2.2, for the LSTM.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        encoder: RecurrentEncoder | TransformerEncoder,
        width: int = 128,
        dropout: float = 0.0,
    ) -> None:
        """`width` is that of the embeddings, which `encoder` takes."""
        super().__init__()
        self.embedding = _embedding(vocabulary, width)
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [batch, time] → scores [batch, classes]; a text has at least one word."""
        inside = codes != PADDING
        states = self.encoder(self.dropout(self.embedding(codes)), inside)
        strongest = where(inside.unsqueeze(2), states, _LEAST).amax(1)
        scores: Tensor = self.head(self.dropout(strongest))
        return scores


def _embedding(vocabulary: int, width: int) -> nn.Embedding:
    """Small rows, so that a word without examples changes little; zeros for padding."""
    embedding = nn.Embedding(vocabulary, width, padding_idx=PADDING)
    nn.init.normal_(embedding.weight, std=_EMBEDDING_STD)
    nn.init.zeros_(embedding.weight[PADDING])
    return embedding
