"""The parsing task: the head of each word of a sentence, and its relation to it.

Example: `chainrule train parse train.conllu --dev dev.conllu`, then `chainrule predict last FILE`.
Without data it learns the trees of Python statements (`text/python_dependencies.py`).
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from chainrule.base.errors import CheckpointError, DataError
from chainrule.models.encoders import RecurrentEncoder
from chainrule.models.parsers import BiaffineParser
from chainrule.models.taggers import WordEmbedding
from chainrule.tensor.convert import tensor
from chainrule.tensor.tensor import Tensor
from chainrule.text.conllu import write_conllu
from chainrule.text.frequent_heads import FrequentHeads
from chainrule.text.library_source import python_version
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.parse_scores import parse_scores
from chainrule.text.parsed import Parsed, arc_of, in_context, marked_tree, read_parsed, wrong_heads
from chainrule.text.parsed_lines import unparsed_in
from chainrule.text.python_dependencies import python_dependencies
from chainrule.text.python_tokens import python_words
from chainrule.text.splits import evenly, fingerprint_of, split_by_hash
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_features import AFFIXES, WordFeatures
from chainrule.text.words import words_of
from chainrule.train.config import LearningRate, Settings, StepCount, share, whole
from chainrule.train.job import Baseline, Batch, Job, Mistake, Scores
from chainrule.train.memory import require_memory
from chainrule.train.steps import inference
from chainrule.train.task import Task

QUICK = 500  # held-out sentences of an evaluation before the last one, which takes all
_TOGETHER = 1024  # words of a batch that is only parsed
_WATCHED = 200  # held-out sentences whose errors are counted as training goes on …
_SHOWN, _SHORT = 4, 16  # … and how many are shown, of at most so many words


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
    width: Annotated[int, whole(2, "units of a layer of the encoder")] = 200
    layers: Annotated[int, whole(1, "of the encoder")] = 1
    arc_width: Annotated[int, whole(1, "of the layer before the scores of arcs")] = 200
    relation_width: Annotated[int, whole(1, "and of relations")] = 48
    dropout: Annotated[float, share("share of values dropped in training")] = 0.33
    word_dropout: Annotated[float, share("share of words hidden in training")] = 0.2


class Parsing(Task[ParsingSettings]):
    """Find the dependency tree of a sentence."""

    name = "parse"
    summary = "a parser learns the head of each word, and its relation to it"
    settings = ParsingSettings
    models: ClassVar = {"biaffine": "biaffine scores on a bidirectional LSTM, best spanning tree"}

    def begin(self, config: ParsingSettings, assets: Mapping[str, str]) -> Job:
        """Read the trees; without `dev`, a tenth is held out, by a hash of the words."""
        if not config.data:
            learnt, held_out = python_dependencies()
            source = f"statements of the standard library of {python_version()}"
        else:
            learnt, source = _read(config.data)
            held_out = []
            if not config.dev:
                learnt, held_out = split_by_hash(learnt, lambda one: " ".join(one.words))
        if config.dev:
            held_out, found = _read(config.dev)
            source += f"; held out: {found}"
        if not learnt or not held_out:
            raise DataError(
                f"{source}: {len(learnt) + len(held_out)} sentences are too few: some are to "
                "learn from, and a tenth is held out"
            )
        lexicon = _Lexicon.loaded(assets) if assets else _Lexicon.of(learnt, config)
        return ParsingJob(config, source, lexicon, learnt, held_out)

    def reopen(
        self, config: ParsingSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with the vocabularies of its own data; all of `data` is held out."""
        held_out, source = _read(data) if data else ([], "")
        return ParsingJob(config, source, _Lexicon.loaded(assets), [], held_out)


def _read(paths: Sequence[str]) -> tuple[list[Parsed], str]:
    read = [read_parsed(path) for path in paths]
    return [tree for trees, _ in read for tree in trees], "; ".join(said for _, said in read)


class _Lexicon(msgspec.Struct, frozen=True):
    """What a parser knows of its training data besides the weights."""

    features: WordFeatures
    relations: Vocabulary  # one of them, `unknown`, stands for those that were not learnt
    python: bool  # whether sentences are statements of Python

    @classmethod
    def of(cls, learnt: Sequence[Parsed], config: ParsingSettings) -> _Lexicon:
        relations = Vocabulary.of((name for one in learnt for name in one.relations), padding=None)
        features = WordFeatures.of((one.words for one in learnt), config.least)
        return cls(features, relations, python=not config.data)

    @classmethod
    def loaded(cls, assets: Mapping[str, str]) -> _Lexicon:
        try:
            return cls(
                WordFeatures.from_json(assets["features"]),
                Vocabulary.from_json(assets["relations"]),
                python=assets["sentences"] == "python",
            )
        except (LookupError, DataError):
            raise CheckpointError("does not hold the parser's vocabularies") from None

    def assets(self) -> dict[str, str]:
        return {
            "features": self.features.to_json(),
            "relations": self.relations.to_json(),
            "sentences": "python" if self.python else "words",
        }

    def words(self, line: str) -> tuple[str, ...]:
        """The words of a line of text."""
        return python_words(line.strip()) if self.python else tuple(words_of(line))


class ParsingJob(Job):
    """A parser, and sentences in batches of similar lengths."""

    model: BiaffineParser
    unit = "nats a word"
    counted = "words"
    judged_by, more_is_better = "las", True
    sampled = "errors: word[right head and relation|predicted]"

    def __init__(
        self,
        config: ParsingSettings,
        source: str,
        lexicon: _Lexicon,
        learnt: Sequence[Parsed],
        held_out: Sequence[Parsed],
    ) -> None:
        """The weights come from the global random state."""
        self.source, self.lexicon = source, lexicon
        self._config, self._learnt, self._held_out = config, learnt, held_out
        self.model = _build(config, lexicon)
        self._scores = inference(self.model, self.model, eager=config.eager)
        if learnt:
            self.batches = self._batches(learnt, config.batch, config.seed)
        self.fingerprint = fingerprint_of([learnt, held_out])
        relations = len(lexicon.relations) - 1
        self.figures = {"sentences": len(learnt) + len(held_out), "relations": relations}
        self.facts = self._facts()

    def loss(self, *batch: Tensor) -> Tensor:
        """-log p of head and relation, a word."""
        return self.model.loss(*batch[:-1])

    def size(self, batch: Batch) -> int:
        """Words, without padding."""
        return int(batch[-1].sum())

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """Loss, UAS and LAS over all words."""
        held_out = self._held_out if whole else evenly(self._held_out, QUICK)
        predicted: list[Any] = [None] * len(held_out)
        loss = words = 0.0
        for numbers, (*batch, inside) in self._batches(held_out, _TOGETHER).in_order():
            if stop():
                return None
            arcs, names = self._scores(batch[0])
            loss += float(self.model.loss_of(*map(tensor, (arcs, names, *batch)))) * inside.sum()
            words += inside.sum()
            best = self.model.best(arcs, names, batch[0])
            for number, found in zip(numbers, best, strict=True):
                predicted[number] = self._tree(held_out[number].words, *found)
        return {"loss": float(loss / max(words, 1)), **parse_scores(held_out, predicted)}

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

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """Sentences in CoNLL-U with HEAD and DEPREL, see `text.parsed_lines`."""
        for sentence in unparsed_in(lines, self.lexicon.words):
            tree = self.parse([sentence.forms])[0]
            whole = sentence.replace(head=tree.heads, deprel=tree.relations)
            yield write_conllu([whole]).removesuffix("\n")

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The words whose right head and relation have the lowest probability."""
        found: list[Mistake] = []
        for numbers, (*batch, _) in self._batches(self._held_out, _TOGETHER).in_order():
            arcs, names = self._scores(batch[0])
            for row, (number, best) in enumerate(
                zip(numbers, self.model.best(arcs, names, batch[0]), strict=True)
            ):
                tree = self._held_out[number]
                own = self._tree(tree.words, *best)
                for at in wrong_heads(tree, own):
                    head, name = batch[1][row, at], batch[2][row, at]
                    loss = _surprise(arcs[row, at], head) + _surprise(names[row, at, head], name)
                    place = f"sentence {number + 1}, word {at + 1}"
                    text = in_context(tree, own, at)
                    found.append(Mistake(place, text, arc_of(tree, at), arc_of(own, at), loss))
        return sorted(found, key=lambda mistake: -mistake.loss)[:most]

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


def _surprise(scores: Any, right: int) -> float:
    """-log softmax(scores)[right]."""
    return float(np.logaddexp.reduce(scores) - scores[right])


def _build(config: ParsingSettings, lexicon: _Lexicon) -> BiaffineParser:
    words, affixes, names = map(
        len, (lexicon.features.words, lexicon.features.affixes, lexicon.relations)
    )
    parameters = words * config.word_width + affixes * config.affix_width
    parameters += config.layers * 4 * config.width**2
    parameters += config.arc_width**2 + names * config.relation_width**2
    require_memory(
        parameters,
        config.batch * config.width,
        f"at least {parameters:,} parameters",
        "choose a smaller width, word_width, affix_width, arc_width, relation_width or batch",
    )
    embedding = WordEmbedding(
        words, affixes, AFFIXES, config.word_width, config.affix_width, config.word_dropout
    )
    encoder = RecurrentEncoder(embedding.width, config.width, config.layers, config.dropout)
    return BiaffineParser(
        embedding, encoder, names, config.arc_width, config.relation_width, config.dropout
    )
