"""Word vectors: skip-gram and continuous bag of words with negative sampling, and GloVe.

    >>> model = SkipGram(words=5000, width=100)
    >>> loss = model(word, near, far)       # codes [batch], [batch], [batch, negatives]
    >>> model.vectors().shape
    (5000, 100)

A batch changes the rows of its words only: the gradients of the tables are sparse. May import `nn`
and what lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.tensor.functional.products import bmm

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class _Tables(nn.Module):
    """A vector for each word where it is looked at, and another where it stands nearby."""

    def __init__(self, words: int, width: int) -> None:
        """The first are uniform in ±1 / (2 · width), the second zero, as in word2vec."""
        super().__init__()
        self.words = nn.Embedding(words, width, sparse=True)
        self.contexts = nn.Embedding(words, width, sparse=True)
        nn.init.uniform_(self.words.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.contexts.weight)

    def _contrast(self, v: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """The mean of - log σ(v · near) - Σ log σ(-v · far), with vectors [batch, width]."""
        likes = F.logsigmoid((v * near).sum(1))
        others = F.logsigmoid(-bmm(far, v.unsqueeze(2)).squeeze(2)).sum(1)
        return -(likes + others).mean()


class SkipGram(_Tables):
    """A word predicts each word near it: - log σ(v · u) - Σ log σ(-v · u'), u' drawn at random.

    Source: Mikolov et al., Distributed Representations of Words and Phrases and their
    Compositionality (2013), equation 4.
    """

    def forward(self, word: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Codes [batch], [batch] and [batch, negatives] → the mean loss."""
        return self._contrast(self.words(word), self.contexts(near), self.contexts(far))

    def vectors(self) -> Tensor:
        """[words, width]: the sum of both tables, whose cosines also tell which words meet.

        Source: Levy, Goldberg & Dagan, Improving Distributional Similarity with Lessons Learned
        from Word Embeddings (2015), §3.3.
        """
        return (self.words.weight + self.contexts.weight).detach()


class CBOW(_Tables):
    """The mean of the words around predicts a word: - log σ(h · u) - Σ log σ(-h · u').

    Source: Mikolov et al., Efficient Estimation of Word Representations in Vector Space (2013),
    §3.1, with the loss of `SkipGram`.
    """

    def __init__(self, words: int, width: int) -> None:
        """The code `words` of `around` stands for no word."""
        super().__init__(words + 1, width)
        self._nothing = words

    def forward(self, around: Tensor, word: Tensor, far: Tensor) -> Tensor:
        """Codes [batch, 2 · window], [batch] and [batch, negatives] → the mean loss."""
        there = (around != self._nothing).to(self.words.weight.dtype).unsqueeze(2)
        mean = (self.words(around) * there).sum(1) / there.sum(1)
        return self._contrast(mean, self.contexts(word), self.contexts(far))

    def vectors(self) -> Tensor:
        """[words, width]."""
        return self.words.weight.detach()[:-1]


class GloVe(nn.Module):
    """f(x) (v · u + b + c - log x)², f(x) = min(1, (x / most)^0.75), for a count x of a pair.

    Source: Pennington, Socher & Manning, GloVe: Global Vectors for Word Representation (2014),
    equations 8 and 9.
    """

    def __init__(self, words: int, width: int, most: float = 10.0) -> None:
        """Counts above `most` weigh no more than `most`."""
        super().__init__()
        self.words, self.contexts = (nn.Embedding(words, width, sparse=True) for _ in range(2))
        self.word_bias, self.context_bias = (nn.Embedding(words, 1, sparse=True) for _ in range(2))
        self._most = most
        for table in (self.words, self.contexts):
            nn.init.uniform_(table.weight, -0.5 / width, 0.5 / width)
        for table in (self.word_bias, self.context_bias):
            nn.init.zeros_(table.weight)

    def forward(self, word: Tensor, near: Tensor, count: Tensor) -> Tensor:
        """Codes [batch], [batch] and counts [batch] → the mean loss."""
        product = (self.words(word) * self.contexts(near)).sum(1)
        bias = (self.word_bias(word) + self.context_bias(near)).squeeze(1)
        weight = (count / self._most).clamp(max=1.0) ** 0.75
        loss: Tensor = (weight * (product + bias - count.log()).square()).mean()
        return loss

    def vectors(self) -> Tensor:
        """[words, width]: the sum of both tables, as in the paper's §4.2."""
        return (self.words.weight + self.contexts.weight).detach()
