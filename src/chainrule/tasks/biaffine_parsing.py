"""The biaffine parser in training: sentences in batches of similar lengths.

May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.models.encoders import RecurrentEncoder
from chainrule.models.parsers import BiaffineParser
from chainrule.tasks.parsing_job import Judged, Lexicon, ParsingJob, ParsingSettings, embedding_of
from chainrule.tensor.tensor import Tensor
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.parsed import (
    Parsed,
)
from chainrule.train.job import Batch
from chainrule.train.steps import inference

_TOGETHER = 1024  # words of a batch that is only parsed


class BiaffineJob(ParsingJob):
    """Scores of all arcs of a sentence, and the best tree."""

    model: BiaffineParser

    def __init__(
        self,
        config: ParsingSettings,
        source: str,
        lexicon: Lexicon,
        learnt: Sequence[Parsed],
        held_out: Sequence[Parsed],
    ) -> None:
        """The weights come from the global random state."""
        super().__init__(config, source, lexicon, learnt, held_out)
        names, dropout = len(lexicon.relations), config.dropout
        others = config.layers * 4 * config.width**2
        others += config.arc_width**2 + names * config.relation_width**2
        embedding = embedding_of(config, lexicon, others)
        encoder = RecurrentEncoder(embedding.width, config.width, config.layers, dropout)
        self.model = BiaffineParser(
            embedding, encoder, names, config.arc_width, config.relation_width, dropout
        )
        self._scores = inference(self.model, self.model, eager=config.eager)
        if learnt:
            self.batches = self._batches(learnt, config.batch, config.seed)

    def loss(self, *batch: Tensor) -> Tensor:
        """-log p of head and relation, a word."""
        return self.model.loss(*batch[:-1])

    def size(self, batch: Batch) -> int:
        """Words, without padding."""
        return int(batch[-1].sum())

    def judged(self, trees: Sequence[Parsed]) -> Iterator[list[Judged]]:
        """Sentences of similar lengths together."""
        for numbers, (codes, heads, names, _) in self._batches(trees, _TOGETHER).in_order():
            arcs, scores = self._scores(codes)
            found: list[Judged] = []
            for row, best in enumerate(self.model.best(arcs, scores, codes)):
                tree = trees[numbers[row]]
                words = np.arange(len(tree.words))
                right = heads[row, words]
                loss = _surprise(arcs[row, words], right)
                loss += _surprise(scores[row, words, right], names[row, words])
                found.append((int(numbers[row]), self._tree(tree.words, *best), loss))
            yield found

    def parse(self, sentences: Sequence[Sequence[str]]) -> list[Parsed]:
        """The trees of sentences that are lists of words."""
        found = [Parsed((), (), ()) for _ in sentences]
        filled = [number for number, words in enumerate(sentences) if words]
        if filled:
            coded = [self.lexicon.features.encode(sentences[number]) for number in filled]
            for places, (codes, _) in PaddedBatches([coded], tokens=_TOGETHER).in_order():
                arcs, names = self._scores(codes)
                best = self.model.best(arcs, names, codes)
                for place, own in zip(places, best, strict=True):
                    number = filled[place]
                    found[number] = self._tree(sentences[number], *own)
        return found

    def _tree(self, words: Sequence[str], heads: Any, names: Any) -> Parsed:
        relations = tuple(self.lexicon.relations.decode(names))
        return Parsed(tuple(words), tuple(heads.tolist()), relations)

    def _batches(self, trees: Sequence[Parsed], words: int, seed: int = 0) -> PaddedBatches:
        features, relations = self.lexicon.features, self.lexicon.relations
        return PaddedBatches(
            [
                [features.encode(tree.words) for tree in trees],
                [np.array(tree.heads, np.int64) for tree in trees],
                [relations.encode(tree.relations) for tree in trees],
            ],
            tokens=words,
            seed=seed,
        )


def _surprise(scores: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """-log softmax(scores)[right] of each row."""
    total: NDArray[Any] = np.logaddexp.reduce(scores, axis=1)
    nats: NDArray[Any] = total - scores[np.arange(len(right)), right]
    return nats
