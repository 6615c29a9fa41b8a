"""The transition-based parser in training: decisions of an oracle, learnt one by one.

A sentence is parsed by the best allowed transition at each step; many sentences take a step
together. May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.models.parsers import TransitionParser, next_transition
from chainrule.tasks.parsing_job import Judged, Lexicon, ParsingJob, ParsingSettings, embedding_of
from chainrule.tensor.tensor import Tensor
from chainrule.text.arc_standard import (
    NO_TRANSITION,
    PLACES,
    RELATIONS,
    Configuration,
    TransitionBatches,
    Tree,
    coded,
    examples,
    oracle,
    with_root,
)
from chainrule.text.parsed import (
    Parsed,
    is_projective,
)
from chainrule.text.word_features import AFFIXES
from chainrule.train.job import Batch
from chainrule.train.steps import inference

_ROOT = "<root>"  # no word is spelt so
_TOGETHER = 128  # sentences that take a step together


class TransitionJob(ParsingJob):
    """Arc-standard transitions, chosen by a feed-forward network."""

    model: TransitionParser

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
        names = len(lexicon.relations)
        wide = PLACES * (config.word_width + AFFIXES * config.affix_width)
        wide += RELATIONS * config.relation_width
        embedding = embedding_of(config, lexicon, config.width * (wide + 2 * names))
        self.model = TransitionParser(
            embedding, names, config.width, config.relation_width, config.dropout
        )
        self._scores = inference(self.model, self.model, eager=config.eager)
        self._root = lexicon.features.encode([_ROOT])[0]
        if learnt:
            coded_trees = [self._coded(tree) for tree in learnt]
            self.batches = TransitionBatches(coded_trees, self._root, config.batch, config.seed)

    def loss(self, *batch: Tensor) -> Tensor:
        """-log p of the two transitions of a word."""
        return 2.0 * self.model.loss(*batch)

    def size(self, batch: Batch) -> int:
        """Words; each takes two transitions."""
        return int((batch[2] != NO_TRANSITION).sum()) // 2

    def parse(self, sentences: Sequence[Sequence[str]]) -> list[Parsed]:
        """The trees of sentences that are lists of words."""
        states = [Configuration(len(words)) for words in sentences]
        tables = [with_root(self.lexicon.features.encode(words), self._root) for words in sentences]
        waiting = [number for number, state in enumerate(states) if not state.done][::-1]
        places = np.zeros((_TOGETHER, PLACES, len(self._root)), np.int64)
        names = np.zeros((_TOGETHER, RELATIONS), np.int64)
        active: list[int] = []
        while waiting or active:
            while waiting and len(active) < _TOGETHER:
                active.append(waiting.pop())
            for row, number in enumerate(active):
                places[row], names[row] = coded(states[number], tables[number])
            for number, scores in zip(active, self._scores(places, names), strict=False):
                states[number].apply(next_transition(scores, states[number]))
            active = [number for number in active if not states[number].done]
        return [
            Parsed(
                tuple(words),
                tuple(state.heads),
                tuple(self.lexicon.relations.decode(state.relations)),
            )
            for words, state in zip(sentences, states, strict=True)
        ]

    def judged(self, trees: Sequence[Parsed]) -> Iterator[list[Judged]]:
        """Some sentences together; a tree that is not projective has no likelihood: NaN."""
        for start in range(0, len(trees), _TOGETHER):
            some = trees[start : start + _TOGETHER]
            found = self.parse([tree.words for tree in some])
            losses = self._losses(some)
            yield [(start + at, *pair) for at, pair in enumerate(zip(found, losses, strict=True))]

    def _losses(self, trees: Sequence[Parsed]) -> list[NDArray[Any]]:
        """-log p of the two right transitions of each word."""
        losses = [np.full(len(tree.words), np.nan) for tree in trees]
        right = [number for number, tree in enumerate(trees) if is_projective(tree.heads)]
        words = sum(len(losses[number]) for number in right)
        coded_trees = [self._coded(trees[number]) for number in right]
        places, names, transitions = examples(coded_trees, self._root, words)
        nats = np.concatenate([np.zeros(0), *self._surprises(places, names, transitions)])
        at = 0
        for number, (_, heads, relations) in zip(right, coded_trees, strict=True):
            state = Configuration(len(heads))
            losses[number][:] = 0.0
            for transition in oracle(heads, relations):
                losses[number][state.word_of(transition) - 1] += nats[at]
                state.apply(transition)
                at += 1
        return losses

    def _surprises(self, *columns: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """-log p of transitions, as many together as `parse` takes."""
        for start in range(0, len(columns[0]), _TOGETHER):
            places, names, transitions = (column[start : start + _TOGETHER] for column in columns)
            count = len(places)
            rest = _TOGETHER - count
            scores = self._scores(
                np.pad(places, ((0, rest), (0, 0), (0, 0))), np.pad(names, ((0, rest), (0, 0)))
            )[:count]
            yield np.logaddexp.reduce(scores, axis=1) - scores[np.arange(count), transitions]

    def _coded(self, tree: Parsed) -> Tree:
        lexicon = self.lexicon
        relations = lexicon.relations.encode(tree.relations).tolist()
        return lexicon.features.encode(tree.words), tree.heads, relations
