"""A parser in training: what is the same for all of them.

A subclass has a model and says what it finds, and how likely the right trees were. May import
`text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import CheckpointError, DataError
from chainrule.models.taggers import WordEmbedding
from chainrule.text.conllu import write_conllu
from chainrule.text.fingerprint import fingerprint
from chainrule.text.frequent_heads import FrequentHeads
from chainrule.text.parse_scores import parse_scores
from chainrule.text.parsed import (
    Parsed,
    arc_of,
    in_context,
    marked_tree,
    wrong_heads,
)
from chainrule.text.parsed_lines import unparsed_in
from chainrule.text.python_tokens import python_words
from chainrule.text.splits import evenly
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_features import AFFIXES, WordFeatures
from chainrule.text.words import words_of
from chainrule.train.config import LearningRate, Settings, StepCount, only, share, whole
from chainrule.train.job import Baseline, Job, Mistake, Scores
from chainrule.train.memory import require_memory

QUICK = 500  # held-out sentences of an evaluation before the last one, which takes all
_WATCHED = 200  # held-out sentences whose errors are counted as training goes on …
_SHOWN, _SHORT = 4, 16  # … and how many are shown, of at most so many words

# The number of a sentence, the tree found, and -log p of each word's right arc, or NaN.
Judged = tuple[int, Parsed, NDArray[Any]]


class ParsingSettings(Settings, frozen=True, kw_only=True):
    """The settings of a parser."""

    steps: StepCount = 400
    batch: Annotated[int, whole(1, "words a step, padding included")] = 1024
    learning_rate: LearningRate = 4e-3
    beta2: Annotated[float, share("AdamW's memory of squared gradients")] = 0.95
    evaluate_every: Annotated[int, whole(0, "steps between validations; 0: at the end only")] = 200
    least: Annotated[int, whole(1, "occurrences of a word; rarer ones are unknown")] = 2
    word_width: Annotated[int, whole(1, "numbers that stand for one word")] = 100
    affix_width: Annotated[int, whole(1, "and for each affix")] = 32
    width: Annotated[int, whole(2, "units of a layer")] = 200
    layers: Annotated[int, whole(1, "of the LSTM"), only(model=("biaffine",))] = 1
    arc_width: Annotated[
        int, whole(1, "of the layer before the scores of arcs"), only(model=("biaffine",))
    ] = 200
    relation_width: Annotated[int, whole(1, "and of relations, or of one on the stack")] = 48
    dropout: Annotated[float, share("share of values dropped in training")] = 0.33
    word_dropout: Annotated[float, share("share of words hidden in training")] = 0.2


class Lexicon(msgspec.Struct, frozen=True):
    """What a parser knows of its training data besides the weights."""

    features: WordFeatures
    relations: Vocabulary  # one of them, `unknown`, stands for those that were not learnt
    python: bool  # whether sentences are statements of Python

    @classmethod
    def of(cls, learnt: Sequence[Parsed], config: ParsingSettings) -> Lexicon:
        """The vocabularies of trees to learn from."""
        relations = Vocabulary.of((name for one in learnt for name in one.relations), padding=None)
        features = WordFeatures.of((one.words for one in learnt), config.least)
        return cls(features, relations, python=not config.data)

    @classmethod
    def loaded(cls, assets: Mapping[str, str]) -> Lexicon:
        """Those of a saved run; `CheckpointError` if they are damaged."""
        try:
            return cls(
                WordFeatures.from_json(assets["features"]),
                Vocabulary.from_json(assets["relations"]),
                python=assets["sentences"] == "python",
            )
        except (LookupError, DataError):
            raise CheckpointError("does not hold the parser's vocabularies") from None

    def assets(self) -> dict[str, str]:
        """What `loaded` reads."""
        return {
            "features": self.features.to_json(),
            "relations": self.relations.to_json(),
            "sentences": "python" if self.python else "words",
        }

    def words(self, line: str) -> tuple[str, ...]:
        """The words of a line of text."""
        return python_words(line.strip()) if self.python else tuple(words_of(line))


class ParsingJob(Job):
    """Sentences to learn from and to judge by."""

    unit = "nats a word"
    counted = "words"
    judged_by, more_is_better = "las", True
    sampled = "errors: word[right head and relation|predicted]"

    def __init__(
        self,
        config: ParsingSettings,
        source: str,
        lexicon: Lexicon,
        learnt: Sequence[Parsed],
        held_out: Sequence[Parsed],
    ) -> None:
        """A subclass sets `model`, and `batches` if there is something to learn."""
        self.source, self.lexicon = source, lexicon
        self._config, self._learnt, self._held_out = config, learnt, held_out
        self.fingerprint = fingerprint(learnt, held_out)
        relations = len(lexicon.relations) - 1
        self.figures = {"sentences": len(learnt) + len(held_out), "relations": relations}
        self.facts = self._facts()

    @abstractmethod
    def parse(self, sentences: Sequence[Sequence[str]]) -> list[Parsed]:
        """The trees of sentences that are lists of words."""

    @abstractmethod
    def judged(self, trees: Sequence[Parsed]) -> Iterator[list[Judged]]:
        """What the model finds for the sentences of `trees`, some together."""

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """Loss, UAS and LAS over all words."""
        held_out = self._held_out if whole else evenly(self._held_out, QUICK)
        predicted: list[Any] = [None] * len(held_out)
        losses = []
        for found in self.judged(held_out):
            if stop():
                return None
            for number, tree, loss in found:
                predicted[number] = tree
                losses.append(loss)
        every = np.concatenate(losses)
        return {"loss": float(every[~np.isnan(every)].mean()), **parse_scores(held_out, predicted)}

    def baselines(self) -> Iterator[Baseline]:
        """The most frequent head and relation of each word."""
        counted = FrequentHeads(self._learnt)
        predicted = [counted.parse(one.words) for one in self._held_out]
        scores = parse_scores(self._held_out, predicted)
        yield Baseline("frequent_head", "most frequent head of each word", scores)

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """Held-out sentences with their errors, always the same ones."""
        del generator
        if stop():
            return None
        watched = evenly(self._held_out, _WATCHED)
        pairs = list(zip(watched, self.parse([one.words for one in watched]), strict=True))
        wrong = [pair for pair in pairs if wrong_heads(*pair)]
        lines = [marked_tree(*pair) for pair in wrong if len(pair[0].words) <= _SHORT]
        count = f"{len(wrong)} of {len(pairs)} sentences have errors"
        return "\n".join([count, *lines[:_SHOWN]])

    def assets(self) -> Mapping[str, str]:
        """The vocabularies."""
        return self.lexicon.assets()

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """Sentences in CoNLL-U with HEAD and DEPREL, see `text.parsed_lines`."""
        for sentence in unparsed_in(lines, self.lexicon.words):
            tree = self.parse([sentence.forms])[0]
            whole = sentence.replace(head=tree.heads, deprel=tree.relations)
            yield write_conllu([whole]).removesuffix("\n")

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The words whose right head and relation have the lowest probability."""
        found: list[Mistake] = []
        for judged in self.judged(self._held_out):
            for number, own, losses in judged:
                tree = self._held_out[number]
                for at in wrong_heads(tree, own):
                    place = f"sentence {number + 1}, word {at + 1}"
                    text, loss = in_context(tree, own, at), float(np.nan_to_num(losses[at]))
                    found.append(Mistake(place, text, arc_of(tree, at), arc_of(own, at), loss))
        return sorted(found, key=lambda mistake: -mistake.loss)[:most]

    def _facts(self) -> dict[str, str]:
        config, lexicon = self._config, self.lexicon
        learnt, held_out = len(self._learnt), len(self._held_out)
        words = sum(len(one.words) for one in (*self._learnt, *self._held_out))
        return {
            "data": self.source,
            "sentences": f"{learnt:,} to learn, {held_out:,} held out: {words:,} words, "
            f"{len(lexicon.relations) - 1} relations; UAS and LAS count all words",
            "model": f"{config.model}, width {config.width}, over {len(lexicon.features.words):,} "
            f"words and {len(lexicon.features.affixes):,} affixes",
        }


def embedding_of(config: ParsingSettings, lexicon: Lexicon, parameters: int) -> WordEmbedding:
    """The embedding of words, if there is memory for it and `parameters` others."""
    words, affixes = len(lexicon.features.words), len(lexicon.features.affixes)
    parameters += words * config.word_width + affixes * config.affix_width
    require_memory(
        parameters,
        config.batch * config.width,
        f"at least {parameters:,} parameters",
        "choose a smaller width, word_width, affix_width, arc_width, relation_width or batch",
    )
    return WordEmbedding(
        words, affixes, AFFIXES, config.word_width, config.affix_width, config.word_dropout
    )
