"""The classification task: a label for each text, such as a sentiment, a topic or a language.

Example: `chainrule train classify reviews.csv --model lstm`, then `chainrule predict last FILE`.
Without data it learns the categories of characters from their names (`text/unicode_names.py`), or
with `--set bundled=errors` the exceptions of error messages (`text/error_messages.py`).
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.arguments import counted
from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.models.classifiers import BagClassifier, ConvolutionClassifier, EncodedClassifier
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder
from chainrule.tensor.tensor import Tensor
from chainrule.text.confusion import Confusion
from chainrule.text.error_messages import library_messages
from chainrule.text.fingerprint import fingerprint
from chainrule.text.labelled import Labelled, read_labelled
from chainrule.text.naive_bayes import NaiveBayes
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.splits import evenly, split_by_hash
from chainrule.text.unicode_names import unicode_names
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.words import words_of
from chainrule.train.config import BatchSize, LearningRate, Settings, StepCount, only, share, whole
from chainrule.train.job import Baseline, Batch, Job, Mistake, Scores
from chainrule.train.steps import inference
from chainrule.train.task import Task

QUICK = 1000  # held-out texts of an evaluation before the last one, roughly
_TOGETHER = 64  # texts of a batch that is only classified
_SHOWN, _SHORT = 5, 60  # errors that are shown as training goes on, and their longest text
_MIXED = 3  # pairs of labels named as mixed up


class ClassificationSettings(Settings, frozen=True, kw_only=True):
    """The settings of a classifier."""

    steps: StepCount = 2000
    batch: BatchSize = 64
    learning_rate: LearningRate = 2e-3
    bundled: Annotated[
        Literal["names", "errors"],
        Meta(description="what to learn without a file: names of characters, or error messages"),
    ] = "names"
    text: Annotated[str, Meta(description="column of texts, by name or number; empty: found")] = ""
    label: Annotated[str, Meta(description="column of labels; empty: found")] = ""
    lower: Annotated[bool, Meta(description="ignore the case of letters")] = True
    least: Annotated[int, whole(1, "occurrences of a word; rarer ones are unknown")] = 2
    longest: Annotated[int, whole(1, "words of a text; more are cut off")] = 256
    width: Annotated[int, whole(1, "numbers that stand for one word")] = 128
    windows: Annotated[
        tuple[int, ...], Meta(description="words that a filter sees"), only(model=("cnn",))
    ] = (3, 4, 5)
    filters: Annotated[int, whole(1, "for each size of window"), only(model=("cnn",))] = 100
    layers: Annotated[int, whole(1, "of the encoder"), only(model=("lstm", "transformer"))] = 1
    heads: Annotated[
        int, whole(1, "attention heads; divides width"), only(model=("transformer",))
    ] = 4
    dropout: Annotated[float, share("share of values dropped in training")] = 0.5

    def check(self) -> None:
        """Windows hold words, and bundled data is chosen only where no file is given."""
        if not self.windows or min(self.windows) < 1:
            raise ConfigError(f"windows={[*self.windows]}: give sizes of at least 1 word")
        if self.data and self.bundled != "names":
            raise ConfigError(f"bundled={self.bundled} goes without a file; leave out one of them")


class Classification(Task[ClassificationSettings]):
    """Give each text a label."""

    name = "classify"
    summary = "a classifier learns a label for each text"
    settings = ClassificationSettings
    models: ClassVar = {
        "cnn": "convolutions with windows of several sizes, maximum over time",
        "bag": "mean of the embeddings of all words",
        "lstm": "bidirectional LSTM, maximum over time",
        "transformer": "Transformer encoder, maximum over time",
    }
    defaults: ClassVar = {
        "bag": {"learning_rate": 4e-3, "dropout": 0.2},
        "lstm": {"learning_rate": 4e-3, "dropout": 0.3},
        "transformer": {"learning_rate": 1e-3, "dropout": 0.2, "layers": 2},
    }

    of_vocabulary = ("least",)

    def begin(self, config: ClassificationSettings, assets: Mapping[str, str]) -> Job:
        """Read the texts; without `dev`, a tenth is held out, by a hash of words or of the file."""
        texts, keys = _texts(config)
        if config.dev:
            learnt, held_out = texts, _read(config.dev, config)
            said = f"{texts.said}; held out: {held_out.said}"
        else:
            parts = split_by_hash(range(len(texts)), key=keys.__getitem__)
            (learnt, held_out), said = map(texts.part, parts), texts.said
        if not held_out or len(set(learnt.labels)) < 2:
            raise DataError(
                f"{said}: too few: a classifier learns from texts of two labels or more, "
                "and some are held out: a tenth, or those of --dev FILE"
            )
        lexicon = (
            _Lexicon.loaded(assets) if assets else _Lexicon.of(learnt, held_out.labels, config)
        )
        return ClassificationJob(config, said, lexicon, learnt, held_out)

    def reopen(
        self, config: ClassificationSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with the words and labels of its own data; all of `data` is held out."""
        held_out = _read(data, config) if data else Labelled()
        lexicon = _Lexicon.loaded(assets)
        return ClassificationJob(config, held_out.said, lexicon, Labelled(), held_out)


def _texts(config: ClassificationSettings) -> tuple[Labelled, list[str]]:
    """The data, and for each text the key whose hash says whether it is held out."""
    if config.data:
        texts = _read(config.data, config)
        return texts, [" ".join(_words(text, config)) for text in texts.texts]
    if config.bundled == "names":
        texts = unicode_names()
        return texts, texts.texts
    texts = library_messages()
    return texts, [place.rpartition(":")[0] for place in texts.places]


def _read(paths: Sequence[str], config: ClassificationSettings) -> Labelled:
    return read_labelled(paths, config.text or None, config.label or None)


class _Lexicon(msgspec.Struct, frozen=True):
    """What a classifier knows of its training data besides the weights."""

    words: Vocabulary
    labels: Vocabulary

    @classmethod
    def of(
        cls, learnt: Labelled, others: Iterable[str], config: ClassificationSettings
    ) -> _Lexicon:
        """The words of `learnt`, and its labels by their number there, then any `others`."""
        labels = dict.fromkeys(others, 0) | Counter(learnt.labels)
        words = (word for text in learnt.texts for word in _words(text, config))
        return cls(
            Vocabulary.of(words, least=config.least),
            Vocabulary.of(labels, least=0, padding=None, unknown=None),
        )

    @classmethod
    def loaded(cls, assets: Mapping[str, str]) -> _Lexicon:
        try:
            return cls(*(Vocabulary.from_json(assets[name]) for name in ("words", "labels")))
        except (LookupError, DataError):
            raise CheckpointError("does not hold the classifier's words and labels") from None

    def assets(self) -> dict[str, str]:
        return {"words": self.words.to_json(), "labels": self.labels.to_json()}

    def label_codes(self, texts: Labelled) -> NDArray[np.int64]:
        """The codes of the labels; a label that was not learnt raises `DataError`."""
        for label, place in zip(texts.labels, texts.places, strict=True):
            if label not in self.labels:
                raise DataError(
                    f"{place}: the label {label!r} was not learnt; the model's labels are "
                    f"{', '.join(sorted(self.labels.tokens))}"
                )
        return self.labels.encode(texts.labels)


def _words(text: str, config: ClassificationSettings) -> list[str]:
    return words_of(text.lower() if config.lower else text)


class ClassificationJob(Job):
    """A classifier, and texts in batches of similar lengths."""

    unit = "nats a text"
    counted = "words"
    judged_by, more_is_better = "accuracy", True
    sampled = "errors: text | right | predicted, with its probability"

    def __init__(
        self,
        config: ClassificationSettings,
        source: str,
        lexicon: _Lexicon,
        learnt: Labelled,
        held_out: Labelled,
    ) -> None:
        """The weights come from the global random state."""
        self.source, self._config, self._lexicon = source, config, lexicon
        self._learnt, self._held_out = learnt, held_out
        self._gold = lexicon.label_codes(held_out)
        self.model = _build(config, len(lexicon.words), len(lexicon.labels))
        self._scores = inference(self.model, self.model, eager=config.eager)
        if learnt:
            codes, labels = self._codes(learnt.texts), lexicon.label_codes(learnt)
            self.batches = PaddedBatches([codes, labels], config.batch, seed=config.seed)
        self.fingerprint = fingerprint(
            *(zip(part.texts, part.labels, strict=True) for part in (learnt, held_out))
        )
        number = len(lexicon.labels)
        self.figures = {
            "texts": len(learnt) + len(held_out), "labels": number, "words": len(lexicon.words),
        }  # fmt: skip
        self.facts = {
            "data": self.source,
            "texts": f"{len(learnt):,} to learn, {len(held_out):,} held out, {number} labels",
            "model": f"{config.model}, width {config.width}, over {len(lexicon.words):,} words",
        }

    def loss(self, *batch: Tensor) -> Tensor:
        """-log p of the right labels."""
        codes, labels, _ = batch
        return F.cross_entropy(self.model(codes), labels)

    def size(self, batch: Batch) -> int:
        """Words, without padding."""
        return int(batch[2].sum())

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """Loss, accuracy and macro-F1."""
        chosen = self._evenly(len(self._held_out) if whole else QUICK)
        log_p = self._log_p([self._held_out.texts[n] for n in chosen], stop)
        if log_p is None:
            return None
        loss = -log_p[np.arange(len(chosen)), self._gold[chosen]].mean()
        return {"loss": float(loss), **self._confusion(chosen, log_p).scores()}

    def baselines(self) -> Iterator[Baseline]:
        """The most frequent label, and counting words."""
        held_out, learnt, config = self._held_out, self._learnt, self._config
        counts = Counter(learnt.labels)
        guess = min(counts, key=lambda label: (-counts[label], label))
        scores = Confusion.of(held_out.labels, [guess] * len(held_out)).scores()
        yield Baseline("majority", f"most frequent label, {guess}", scores)
        model = NaiveBayes([_words(text, config) for text in learnt.texts], learnt.labels)
        predicted = [model.label(_words(text, config)) for text in held_out.texts]
        scores = Confusion.of(held_out.labels, predicted).scores()
        yield Baseline("naive_bayes", "naive Bayes", scores)

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """The labels that are mixed up most, and the most confident errors."""
        del generator
        chosen = self._evenly(QUICK)
        log_p = self._log_p([self._held_out.texts[n] for n in chosen], stop)
        if log_p is None:
            return None
        found = self._confusion(chosen, log_p)
        wrong = int(found.counts.sum() - np.trace(found.counts))
        mixed = ", ".join(
            f"{each.label} taken for {each.predicted} {counted(each.times, 'time')}"
            for each in found.most_mixed(_MIXED)
        )
        lines = [f"{wrong:,} of {len(chosen):,} are wrong" + f"; most often {mixed}" * bool(mixed)]
        labels = self._lexicon.labels.tokens
        for row in _worst(log_p, self._gold[chosen])[:_SHOWN]:
            best = log_p[row].argmax()
            text = _shortened(self._held_out.texts[chosen[row]])
            right = self._held_out.labels[chosen[row]]
            lines.append(f"{text} | {right} | {labels[best]} {np.exp(log_p[row, best]):.2f}")
        return "\n".join(lines)

    def assets(self) -> Mapping[str, str]:
        """The words and the labels."""
        return self._lexicon.assets()

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """The label of each line and its probability, separated by a tab."""
        lines = iter(lines)
        while together := list(islice(lines, _TOGETHER)):
            log_p = self._log_p(together, lambda: False)
            assert log_p is not None
            best = log_p.argmax(1)
            for label, p in zip(self._lexicon.labels.decode(best), log_p.max(1), strict=True):
                yield f"{label}\t{np.exp(p):.4f}"

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The texts whose right label is the least probable one."""
        held_out, labels = self._held_out, self._lexicon.labels.tokens
        log_p = self._log_p(held_out.texts, lambda: False)
        assert log_p is not None
        return [
            Mistake(
                held_out.places[row],
                held_out.texts[row],
                held_out.labels[row],
                labels[log_p[row].argmax()],
                float(-log_p[row, self._gold[row]]),
            )
            for row in _worst(log_p, self._gold)[:most]
        ]

    def tables(self) -> str:
        """The scores of each label, and the confusion matrix."""
        chosen = self._evenly(len(self._held_out))
        log_p = self._log_p(self._held_out.texts, lambda: False)
        assert log_p is not None
        found = self._confusion(chosen, log_p)
        return found.text()

    def _evenly(self, most: int) -> NDArray[np.int64]:
        """The numbers of so many held-out texts at most, at equal distances."""
        return np.array(evenly(range(len(self._held_out)), most), np.int64)

    def _confusion(self, chosen: NDArray[np.int64], log_p: NDArray[np.float64]) -> Confusion:
        gold = [self._held_out.labels[number] for number in chosen]
        return Confusion.of(gold, self._lexicon.labels.decode(log_p.argmax(1)))

    def _codes(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The codes of the words of each text; a text without words is one unknown word."""
        words, config = self._lexicon.words, self._config
        cut = (_words(text, config)[: config.longest] for text in texts)
        return [words.encode(each or [str(words.unknown)]) for each in cut]

    def _log_p(self, texts: Sequence[str], stop: Callable[[], bool]) -> NDArray[np.float64] | None:
        """log p of each label for each text; None if `stop()` became true."""
        log_p = np.zeros((len(texts), len(self._lexicon.labels)))
        for numbers, (codes, _) in PaddedBatches([self._codes(texts)], _TOGETHER).in_order():
            if stop():
                return None
            scores = self._scores(codes).astype(np.float64)
            log_p[numbers] = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return log_p


def _worst(log_p: NDArray[np.float64], gold: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that are wrong, the least probable right label first."""
    wrong = np.flatnonzero(log_p.argmax(1) != gold)
    return wrong[np.argsort(log_p[wrong, gold[wrong]], kind="stable")]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"


def _build(config: ClassificationSettings, words: int, labels: int) -> nn.Module:
    width, dropout = config.width, config.dropout
    match config.model:
        case "bag":
            return BagClassifier(words, labels, width, dropout)
        case "lstm":
            lstm = RecurrentEncoder(width, width, config.layers, dropout)
            return EncodedClassifier(words, labels, lstm, width, dropout)
        case "transformer":
            encoder = TransformerEncoder(width, width, config.layers, config.heads, dropout)
            return EncodedClassifier(words, labels, encoder, width, dropout)
    return ConvolutionClassifier(words, labels, width, config.filters, config.windows, dropout)
