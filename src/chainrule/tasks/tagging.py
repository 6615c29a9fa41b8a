"""The tagging task: a tag for each word, such as parts of speech, names of things or roles.

Example: `chainrule train tag train.conllu --model bilstm-crf`, then `chainrule predict last FILE`.
Without data it learns the roles of names in Python lines (`text/python_roles.py`).
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from msgspec import Meta

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder, WindowEncoder
from chainrule.models.taggers import Tagger, WordEmbedding
from chainrule.tensor.convert import tensor
from chainrule.tensor.tensor import Tensor
from chainrule.text.confusion import Confusion
from chainrule.text.fingerprint import fingerprint
from chainrule.text.frequent_tags import FrequentTags
from chainrule.text.library_source import python_version
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.python_roles import python_roles
from chainrule.text.python_tokens import python_words
from chainrule.text.spans import are_spans
from chainrule.text.splits import evenly, split_by_hash
from chainrule.text.tag_scores import UNJUDGED, tag_scores
from chainrule.text.tagged import Tagged, read_tagged
from chainrule.text.tagged_lines import errors_in, in_context, marked, sentences_in
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_features import AFFIXES, WordFeatures
from chainrule.text.words import words_of
from chainrule.train.config import BatchSize, LearningRate, Settings, StepCount, only, share, whole
from chainrule.train.job import Baseline, Batch, Job, Mistake, Scores
from chainrule.train.memory import require_memory
from chainrule.train.steps import inference
from chainrule.train.task import Task

_TAGS = ("upos", "xpos", "feats", "deprel")  # columns of CoNLL-U
QUICK = 1000  # held-out sentences of an evaluation before the last one, which takes all
_TOGETHER = 64  # sentences of a batch that is only tagged
_WATCHED = 200  # held-out sentences whose errors are counted as training goes on …
_SHOWN, _SHORT = 4, 20  # … and how many are shown, of at most so many words


class TaggingSettings(Settings, frozen=True, kw_only=True):
    """The settings of a tagger."""

    steps: StepCount = 600
    batch: BatchSize = 32
    learning_rate: LearningRate = 4e-3
    evaluate_every: Annotated[int, whole(0, "steps between validations; 0: at the end only")] = 200
    column: Annotated[str, Meta(description=f"of CoNLL-U: {', '.join(_TAGS)}")] = "upos"
    least: Annotated[int, whole(1, "occurrences of a word; rarer ones are unknown")] = 2
    word_width: Annotated[int, whole(1, "numbers that stand for one word")] = 100
    affix_width: Annotated[int, whole(1, "and for each affix")] = 32
    width: Annotated[int, whole(2, "units of a layer of the encoder")] = 200
    layers: Annotated[
        int, whole(1, "of the encoder"), only(model=("bilstm", "bilstm-crf", "transformer"))
    ] = 1
    heads: Annotated[
        int, whole(1, "attention heads; divides width"), only(model=("transformer",))
    ] = 4
    dropout: Annotated[float, share("share of values dropped in training")] = 0.33
    word_dropout: Annotated[float, share("share of words hidden in training")] = 0.2

    def check(self) -> None:
        """The column is one whose values are tags."""
        if self.column not in _TAGS:
            raise ConfigError(f"column={self.column!r} is none of {', '.join(_TAGS)}")


class Tagging(Task[TaggingSettings]):
    """Tag each word of a sentence."""

    name = "tag"
    summary = "a tagger learns a tag for each word"
    settings = TaggingSettings
    models: ClassVar = {
        "bilstm": "bidirectional LSTM over words and affixes",
        "bilstm-crf": "the same, and a CRF that chooses the tags of a sentence together",
        "window": "feed-forward network over a word and two neighbours on either side",
        "transformer": "Transformer encoder over words and affixes",
    }
    defaults: ClassVar = {
        "transformer": {"layers": 2, "learning_rate": 2e-3, "dropout": 0.1},
    }

    of_vocabulary = ("least",)

    def begin(self, config: TaggingSettings, assets: Mapping[str, str]) -> Job:
        """Read the sentences; without `dev`, a tenth is held out, by a hash of their words."""
        places: list[str] = []
        if not config.data:
            learnt, held_out = python_roles()
            source = f"roles of names in the standard library of {python_version()}"
        else:
            learnt, places, source = _read(config.data, config)
            held_out = []
            if not config.dev:
                placed = zip(learnt, places, strict=True)
                known, rest = split_by_hash(placed, lambda one: " ".join(one[0].words))
                learnt = [sentence for sentence, _ in known]
                held_out, places = [one for one, _ in rest], [place for _, place in rest]
        if config.dev:
            held_out, places, found = _read(config.dev, config)
            source += f"; held out: {found}"
        if not learnt or not held_out:
            raise DataError(
                f"{source}: {len(learnt) + len(held_out)} sentences are too few: some are to "
                "learn from, and a tenth is held out"
            )
        lexicon = _Lexicon.loaded(assets) if assets else _Lexicon.of(learnt, config)
        return TaggingJob(config, source, lexicon, learnt, held_out, places)

    def reopen(
        self, config: TaggingSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with the vocabularies of its own data; all of `data` is held out."""
        held_out, places, source = _read(data, config)
        return TaggingJob(config, source, _Lexicon.loaded(assets), [], held_out, places)


def _read(paths: Sequence[str], config: TaggingSettings) -> tuple[list[Tagged], list[str], str]:
    """The sentences of files, their places, and what was found."""
    sentences, places, found = [], [], []
    for path in paths:
        inside, said = read_tagged(path, config.column)
        sentences += inside
        places += [f"{path}: sentence {number}" for number in range(1, len(inside) + 1)]
        found.append(said)
    return sentences, places, "; ".join(found)


class _Lexicon(msgspec.Struct, frozen=True):
    """What a tagger knows of its training data besides the weights."""

    features: WordFeatures
    tags: Vocabulary  # one of them, `unknown`, stands for tags that were not learnt
    known: frozenset[str]  # the words of the training data
    python: bool  # whether sentences are lines of Python

    @classmethod
    def of(cls, learnt: Sequence[Tagged], config: TaggingSettings) -> _Lexicon:
        tags = Vocabulary.of((tag for one in learnt for tag in one.tags), padding=None)
        known = frozenset(word for one in learnt for word in one.words)
        features = WordFeatures.of((one.words for one in learnt), config.least)
        return cls(features, tags, known, python=not config.data)

    @classmethod
    def loaded(cls, assets: Mapping[str, str]) -> _Lexicon:
        try:
            return cls(
                WordFeatures.from_json(assets["features"]),
                Vocabulary.from_json(assets["tags"]),
                frozenset(msgspec.json.decode(assets["known"], type=list[str])),
                python=assets["sentences"] == "python",
            )
        except (LookupError, DataError, msgspec.MsgspecError):
            raise CheckpointError("does not hold the tagger's vocabularies") from None

    def assets(self) -> dict[str, str]:
        return {
            "features": self.features.to_json(),
            "tags": self.tags.to_json(),
            "known": json.dumps(sorted(self.known), ensure_ascii=False),
            "sentences": "python" if self.python else "words",
        }

    def words(self, line: str) -> tuple[str, ...]:
        """The words of a line without tags."""
        return python_words(line) if self.python else tuple(words_of(line))


class TaggingJob(Job):
    """A tagger, and sentences in batches of similar lengths."""

    model: Tagger
    unit = "nats a word"
    counted = "words"
    more_is_better = True
    sampled = "errors: word[right|predicted]"

    def __init__(
        self,
        config: TaggingSettings,
        source: str,
        lexicon: _Lexicon,
        learnt: Sequence[Tagged],
        held_out: Sequence[Tagged],
        places: Sequence[str] = (),
    ) -> None:
        """The weights come from the global random state; `places` are of held-out sentences."""
        self.source, self.lexicon = source, lexicon
        self._config, self._learnt, self._held_out = config, learnt, held_out
        self._places = places or [f"held-out sentence {n + 1}" for n in range(len(held_out))]
        self.model = _build(config, lexicon)
        self._scores = inference(self.model, self.model, eager=config.eager)
        if learnt:
            self.batches = self._batches(learnt, config.batch, config.seed)
        self._spans = are_spans(tag for tag in lexicon.tags.tokens if tag != lexicon.tags.unknown)
        self.judged_by = "f1" if self._spans else "accuracy"
        self.fingerprint = fingerprint(learnt, held_out)
        self.figures = {"sentences": len(learnt) + len(held_out), "tags": len(lexicon.tags) - 1}
        self.facts = self._facts()

    def loss(self, *batch: Tensor) -> Tensor:
        """-log p of the tags, a word."""
        codes, tags, _ = batch
        return self.model.loss(codes, tags)

    def size(self, batch: Batch) -> int:
        """Words, without padding."""
        return int(batch[2].sum())

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """Loss and scores; words tagged `_` are not judged."""
        held_out = self._held_out if whole else evenly(self._held_out, QUICK)
        predicted: list[list[str]] = [[] for _ in held_out]
        loss = words = 0.0
        for numbers, (codes, tags, inside) in self._batches(held_out, _TOGETHER).in_order():
            if stop():
                return None
            scores = self._scores(codes)
            loss += float(self.model.loss_of(*map(tensor, (scores, codes, tags)))) * inside.sum()
            words += inside.sum()
            for number, best in zip(numbers, self.model.best(scores, codes), strict=True):
                predicted[number] = self.lexicon.tags.decode(best)
        return {"loss": loss / max(words, 1), **self._judge(held_out, predicted)}

    def baselines(self) -> Iterator[Baseline]:
        """The most frequent tag of each word."""
        counted = FrequentTags(self._learnt, left_out=[UNJUDGED])
        predicted = [counted.tag(sentence.words) for sentence in self._held_out]
        scores = self._judge(self._held_out, predicted)
        yield Baseline("frequent_tag", "most frequent tag of each word", scores)

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """Held-out sentences with their errors, always the same ones."""
        del generator
        if stop():
            return None
        watched = evenly(self._held_out, _WATCHED)
        predicted = self.tag([sentence.words for sentence in watched])
        pairs = list(zip(watched, predicted, strict=True))
        wrong = sum(bool(errors_in(*pair)) for pair in pairs)
        lines = [marked(*pair) for pair in pairs if errors_in(*pair) and len(pair[1]) <= _SHORT]
        return "\n".join([f"{wrong} of {len(pairs)} sentences have errors", *lines[:_SHOWN]])

    def assets(self) -> Mapping[str, str]:
        """The vocabularies."""
        return self.lexicon.assets()

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of sentences that are lists of words."""
        found: list[list[str]] = [[] for _ in sentences]
        filled = [number for number, words in enumerate(sentences) if words]
        if filled:
            codes = [self.lexicon.features.encode(sentences[number]) for number in filled]
            for places, (batch, _) in PaddedBatches([codes], _TOGETHER).in_order():
                best = self.model.best(self._scores(batch), batch)
                for place, tags in zip(places, best, strict=True):
                    found[filled[place]] = self.lexicon.tags.decode(tags)
        return found

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """Lines of word and tag, separated by a tab, and an empty line after each sentence.

        Lines are sentences, or the rows of a column file, see `text.tagged_lines`.
        """
        for words in sentences_in(lines, self.lexicon.words):
            tags = self.tag([words])[0]
            yield "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The words whose right tag has the lowest score beside the predicted one."""
        found: list[Mistake] = []
        batches = self._batches(self._held_out, _TOGETHER)
        for numbers, (codes, tags, _) in batches.in_order():
            scores = self._scores(codes)
            paths = self.model.best(scores, codes)
            for row, number in enumerate(numbers):
                sentence = self._held_out[number]
                predicted = self.lexicon.tags.decode(paths[row])
                for at in errors_in(sentence, predicted):
                    own = scores[row, at]
                    loss = float(own.max() - own[tags[row, at]])
                    text = in_context(sentence, predicted, at)
                    place = f"{self._places[number]}, word {at + 1}"
                    found.append(Mistake(place, text, sentence.tags[at], predicted[at], loss))
        return sorted(found, key=lambda mistake: -mistake.loss)[:most]

    def tables(self) -> str:
        """The scores of each tag, and which are taken for which."""
        predicted = self.tag([sentence.words for sentence in self._held_out])
        judged = [
            pair
            for sentence, tags in zip(self._held_out, predicted, strict=True)
            for pair in zip(sentence.tags, tags, strict=True)
            if pair[0] != UNJUDGED
        ]
        return Confusion.of(*zip(*judged, strict=True)).text() if judged else ""

    def _judge(self, held_out: Sequence[Tagged], predicted: list[list[str]]) -> Scores:
        return tag_scores(held_out, predicted, self.lexicon.known, spans=self._spans)

    def _batches(self, sentences: Sequence[Tagged], batch: int, seed: int = 0) -> PaddedBatches:
        features, tags = self.lexicon.features, self.lexicon.tags
        return PaddedBatches(
            [
                [features.encode(sentence.words) for sentence in sentences],
                [tags.encode(sentence.tags) for sentence in sentences],
            ],
            batch,
            seed=seed,
        )

    def _facts(self) -> dict[str, str]:
        config, lexicon = self._config, self.lexicon
        learnt, held_out = len(self._learnt), len(self._held_out)
        words = sum(len(one.words) for one in (*self._learnt, *self._held_out))
        of_text = f"{words:,} words, {len(lexicon.tags) - 1} tags"
        if UNJUDGED in lexicon.tags:
            of_text += f"; words tagged {UNJUDGED} are not judged"
        return {
            "data": self.source,
            "sentences": f"{learnt:,} to learn, {held_out:,} held out: {of_text}",
            "model": f"{config.model}, width {config.width}, over {len(lexicon.features.words):,} "
            f"words and {len(lexicon.features.affixes):,} affixes",
        }


def _build(config: TaggingSettings, lexicon: _Lexicon) -> Tagger:
    tables = (
        len(lexicon.features.words) * config.word_width
        + len(lexicon.features.affixes) * config.affix_width
    )
    parameters = tables + config.layers * 4 * config.width**2
    require_memory(
        parameters,
        config.batch * config.width,
        f"at least {parameters:,} parameters",
        "choose a smaller width, word_width, affix_width or batch, or fewer layers",
    )
    embedding = WordEmbedding(
        len(lexicon.features.words),
        len(lexicon.features.affixes),
        AFFIXES,
        config.word_width,
        config.affix_width,
        config.word_dropout,
    )
    ins, width, dropout = embedding.width, config.width, config.dropout
    encoder: WindowEncoder | RecurrentEncoder | TransformerEncoder
    match config.model:
        case "window":
            encoder = WindowEncoder(ins, width)
        case "transformer":
            encoder = TransformerEncoder(ins, width, config.layers, config.heads, dropout)
        case _:
            encoder = RecurrentEncoder(ins, width, config.layers, dropout)
    crf = config.model.endswith("-crf")
    return Tagger(embedding, encoder, len(lexicon.tags), dropout, crf=crf)
