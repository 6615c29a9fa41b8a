"""Dependency parsers: scores of words and heads, or of the next transition.

    >>> embedding = WordEmbedding(words=1000, affixes=500)
    >>> encoder = RecurrentEncoder(embedding.width, 128)
    >>> model = BiaffineParser(embedding, encoder, relations=40)
    >>> arcs, relations = model(codes)  # codes: int64 [8, 24, 9], of `text.word_features`
    >>> arcs.shape, relations.shape     # of each word, for each head; head 0 is the root
    ((8, 24, 25), (8, 24, 25, 40))
    >>> model.best(arcs, relations, codes)[0]
    (array([2, 0, 2]), array([7, 3, 5]))

The tree does not depend on how much padding follows its sentence. May import `nn`, `text` and what
lies below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder
from chainrule.models.spanning_tree import spanning_tree
from chainrule.models.taggers import PADDING, WordEmbedding
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.creation import ones, zeros
from chainrule.tensor.functional.join import cat
from chainrule.text.arc_standard import NO_TRANSITION, PLACES, RELATIONS, SHIFT, Configuration

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

_NEVER = -1e9  # the score of a head behind the end of the sentence
_IGNORED = -100


class BiaffineParser(nn.Module):
    """Biaffine scores of arcs and relations, on the states h of an encoder; the root's is learnt.

    arc[i, j] = [relu(U hᵢ); 1]ᵀ W relu(V hⱼ), of word i and head j; relations have layers of their
    own, and one such form each. The heads of a sentence are those of the best spanning tree.
    Source: Dozat and Manning, Deep biaffine attention for neural dependency parsing (2017), §3.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        encoder: RecurrentEncoder | TransformerEncoder,
        relations: int,
        arc_width: int = 200,
        relation_width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        """`relations` is their number; the widths are those of the layers before the scores."""
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.dropout = nn.Dropout(dropout)
        self.root = nn.Parameter(zeros(1, 1, encoder.width))
        self.of_word = nn.Linear(encoder.width, arc_width + relation_width)
        self.of_head = nn.Linear(encoder.width, arc_width + relation_width)
        self.arcs = nn.Biaffine(arc_width, arc_width, bias2=False)
        self.relations = nn.Biaffine(relation_width, relation_width, relations)
        self.arc_width = arc_width

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [batch, time, 1 + kinds] → scores of arcs and of relations.

        [batch, time, 1 + time] and [batch, time, 1 + time, relations].
        """
        inside = codes[:, :, 0] != PADDING
        states = self.dropout(self.encoder(self.dropout(self.embedding(codes)), inside))
        rows = len(codes)
        heads = cat([self.root.expand(rows, -1, -1), states], 1)
        word = self.dropout(F.relu(self.of_word(states)))
        head = self.dropout(F.relu(self.of_head(heads)))
        cut = self.arc_width
        arcs = self.arcs(word[..., :cut], head[..., :cut])
        there = cat([ones(rows, 1, dtype=inside.dtype), inside], 1).unsqueeze(1)
        return where(there, arcs, _NEVER), self.relations(word[..., cut:], head[..., cut:])

    def loss(self, codes: Tensor, heads: Tensor, relations: Tensor) -> Tensor:
        """The mean over all words of -log p(head) - log p(relation | head), in nats.

        `heads` and `relations` are int64 [batch, time]; behind the end they do not count.
        """
        arcs, scores = self(codes)
        return self.loss_of(arcs, scores, codes, heads, relations)

    def loss_of(
        self, arcs: Tensor, scores: Tensor, codes: Tensor, heads: Tensor, relations: Tensor
    ) -> Tensor:
        """`loss`, from the scores of arcs and of relations that `forward` gave."""
        inside = codes[:, :, 0] != PADDING
        index = heads.unsqueeze(2).unsqueeze(3).expand(-1, -1, 1, scores.shape[3])
        at_head = scores.gather(2, index).squeeze(2)
        loss: Tensor = _cross_entropy(arcs, heads, inside)
        return loss + _cross_entropy(at_head, relations, inside)

    def best(
        self, arcs: Any, scores: Any, codes: Any
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The heads and relations of each sentence, from the scores that `forward` gave."""
        lengths = (np.asarray(codes)[:, :, 0] != PADDING).sum(1)
        found = []
        for arc, relation, length in zip(
            np.asarray(arcs), np.asarray(scores), lengths, strict=True
        ):
            heads = spanning_tree(arc[:length, : length + 1])
            found.append((heads, relation[np.arange(length), heads].argmax(1)))
        return found


class TransitionParser(nn.Module):
    """The next transition of a parser, from words and relations at places of its configuration.

    W₂ relu(W₁ [words; relations] + b₁) + b₂. Source: Chen and Manning, A fast and accurate
    dependency parser using neural networks (2014), §3, who cube instead of relu.
    """

    def __init__(
        self,
        embedding: WordEmbedding,
        relations: int,
        hidden: int = 200,
        relation_width: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """`relations` is their number; transitions and features are those of `arc_standard`."""
        super().__init__()
        self.embedding = embedding
        self.relations = nn.Embedding(1 + relations, relation_width)
        self.dropout = nn.Dropout(dropout)
        wide = PLACES * embedding.width + RELATIONS * relation_width
        self.hidden = nn.Linear(wide, hidden)
        self.head = nn.Linear(hidden, 1 + 2 * relations)

    def forward(self, places: Tensor, relations: Tensor) -> Tensor:
        """Scores of transitions [batch, 1 + 2 · relations].

        int64 [batch, PLACES, 1 + kinds], of `text.word_features`, and [batch, RELATIONS].
        """
        words, names = self.embedding(places).flatten(1), self.relations(relations).flatten(1)
        hidden = F.relu(self.hidden(self.dropout(cat([words, names], 1))))
        scores: Tensor = self.head(self.dropout(hidden))
        return scores

    def loss(self, places: Tensor, relations: Tensor, transitions: Tensor) -> Tensor:
        """The mean of -log p(transition), in nats; `NO_TRANSITION` does not count."""
        scores = self(places, relations)
        return F.cross_entropy(scores, transitions, ignore_index=NO_TRANSITION)


def next_transition(scores: NDArray[np.float32], state: Configuration) -> int:
    """The transition of the greatest score among those that are allowed."""
    shift, to_left, to_right = state.allowed()
    allowed = np.zeros(len(scores), bool)
    allowed[SHIFT], allowed[1::2], allowed[2::2] = shift, to_left, to_right
    return int(np.where(allowed, scores, -np.inf).argmax())


def _cross_entropy(scores: Tensor, right: Tensor, inside: Tensor) -> Tensor:
    right = where(inside, right, _IGNORED)
    return F.cross_entropy(scores.flatten(0, 1), right.flatten(), ignore_index=_IGNORED)
