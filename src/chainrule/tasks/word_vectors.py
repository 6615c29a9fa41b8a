"""The task of word vectors: skip-gram, CBOW or GloVe on the prose of this Python, or on a text.

Example: `chainrule train vectors book.txt --set model=cbow`, then `chainrule predict last` reads
words, and answers with the nearest ones. May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, CheckpointError, DataError
from chainrule.models.word_vectors import CBOW, GloVe, SkipGram
from chainrule.optim import Optimizer
from chainrule.tensor.tensor import Tensor
from chainrule.text.cooccurrence import ppmi_vectors
from chainrule.text.corpus import text_files, text_parts
from chainrule.text.counted_pairs import CountedPairs
from chainrule.text.fingerprint import fingerprint
from chainrule.text.library_prose import english_words, library_prose
from chainrule.text.library_source import python_version
from chainrule.text.nearest import WordSpace, plural_pairs
from chainrule.text.splits import split_by_hash
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_groups import WORD_GROUPS
from chainrule.text.word_windows import WordPairs, WordsAround
from chainrule.train.config import BatchSize, LearningRate, Settings, StepCount, only, whole
from chainrule.train.job import Baseline, Job, Mistake, Scores
from chainrule.train.memory import require_memory
from chainrule.train.steps import inference
from chainrule.train.task import Task

MODELS = {
    "skipgram": "skip-gram with negative sampling: a word predicts each word near it",
    "cbow": "continuous bag of words: the words around predict a word",
    "glove": "GloVe: products of vectors fit logarithms of counts",
}
WITHIN = 10  # nearest words, among which the plural has to be
_BASELINE_WINDOW = 5
_BASELINE_WORDS = 20_000  # whose square of counts fits into memory
_SHOWN, _SHOWN_NEAREST = 8, 6  # words of a sample, and nearest words of each
_QUICK = 4  # held-out batches of an evaluation before the last one, which takes all
_LONGEST = 1000  # words of a passage; longer ones are cut
_FOLDS = 20  # of the passages, one of which is held out
_SEEN = 10  # occurrences of both words of a plural pair


class VectorSettings(Settings, frozen=True, kw_only=True):
    """The settings of word vectors."""

    steps: StepCount = 8000
    batch: BatchSize = 2048
    learning_rate: LearningRate = 4e-3
    width: Annotated[int, whole(1, "numbers in a vector")] = 100
    window: Annotated[int, whole(1, "words to look at on either side, at most")] = 20
    negatives: Annotated[
        int, whole(1, "random words for each pair"), only(model=("skipgram", "cbow"))
    ] = 5
    least: Annotated[int, whole(1, "occurrences of a word that gets a vector")] = 5
    often: Annotated[
        float,
        Meta(gt=0, description="share above which words are thinned"),
        only(model=("skipgram", "cbow")),
    ] = 1e-4
    evaluate_every: Annotated[int, whole(0, "steps between validations; 0: at the end only")] = 2000
    save_every: Annotated[int, whole(0, "steps between saves; 0: at the end only")] = 4000


class WordVectors(Task[VectorSettings]):
    """Learn a vector for each word, from the words near it."""

    name = "vectors"
    summary = "vectors of words, such that like words are near each other"
    settings = VectorSettings
    models: ClassVar = MODELS
    defaults: ClassVar = {
        "cbow": {"batch": 1024, "window": 10, "steps": 6000},
        "glove": {"batch": 4096, "window": 5, "steps": 2000, "learning_rate": 5e-3},
    }
    used_by = ("predict {run} -", "find the nearest words: type one a line")

    def begin(self, config: VectorSettings, assets: Mapping[str, str]) -> Job:
        """Read the texts; a blank line ends a passage, and windows do not go beyond."""
        passages = _passages(config.data)
        source = ", ".join(config.data) or f"the prose in {python_version()}"
        if config.dev:
            learnt, held_out = passages, _passages(config.dev)
        else:
            learnt, held_out = split_by_hash(passages, " ".join, _FOLDS)
        counts = Counter(word for passage in learnt for word in passage)
        words = _saved(assets).words if assets else _frequent(counts, config.least)
        return VectorJob(config, source, _Known(words, [counts[w] for w in words.tokens]), learnt,
                         held_out)  # fmt: skip

    def reopen(self, config: VectorSettings, assets: Mapping[str, str], data: Sequence[str]) -> Job:
        """The vectors of a run, judged by the words of its own text; `data` is held out."""
        held_out = _passages(data) if data else []
        return VectorJob(config, ", ".join(data), _saved(assets), [], held_out)


def _passages(files: Sequence[str]) -> list[list[str]]:
    if not files:
        return library_prose()
    passages = map(english_words, "".join(text_parts(text_files(files))).split("\n\n"))
    return [
        words[at : at + _LONGEST] for words in passages for at in range(0, len(words), _LONGEST)
    ]


def _frequent(counts: Counter[str], least: int) -> Vocabulary:
    words = Vocabulary.of(counts, least=least, padding=None, unknown=None)
    if len(words) < 2:
        raise DataError(
            f"fewer than two words occur {least} times; give more text or --set least=1"
        )
    return words


class _Known(NamedTuple):
    """The words that have a vector, and how often each occurs in the text that was learnt from."""

    words: Vocabulary
    counts: Sequence[int]


def _saved(assets: Mapping[str, str]) -> _Known:
    try:
        words = Vocabulary.from_json(assets["vocabulary"])
        counts = msgspec.json.decode(assets["counts"], type=list[int])
    except (KeyError, DataError, msgspec.MsgspecError):
        counts = []
    if not counts or len(counts) != len(words):
        raise CheckpointError("does not hold the model's words and their counts")
    return _Known(words, counts)


class VectorJob(Job):
    """Tables of vectors, and pairs of words that are near each other."""

    unit, counted, sampled = "nats a pair", "pairs", "nearest words"
    judged_by, more_is_better = "plurals", True

    def __init__(
        self, config: VectorSettings, source: str, known: _Known, learnt: list[list[str]],
        held_out: list[list[str]],
    ) -> None:  # fmt: skip
        """The weights come from the global random state."""
        self.source, self.words, self._config, self._known = source, known.words, config, known
        words, counts = known
        self._learnt = _encoded(words, learnt)
        frequent = [word for word, n in zip(words.tokens, counts, strict=True) if n >= _SEEN]
        self._pairs = plural_pairs(frequent)
        if not self._pairs:
            self.judged_by, self.more_is_better = "loss", False
        parameters = 2 * len(words) * config.width
        require_memory(
            parameters, 0, f"{parameters:,} parameters, {len(words):,} words of {config.width}",
            "choose a smaller width, or a larger least",
        )  # fmt: skip
        self.model = _model(config, len(words))
        self._loss = inference(self.model, self.model, eager=config.eager)
        if learnt:
            self.batches = _stream(config, self._learnt, known)
        if held_out:
            self._held_out = _stream(config, _encoded(words, held_out), known, held_out=True)
        elif learnt:
            raise DataError(
                f"{source}: no passage is held out: give more text with blank lines between "
                "passages, or held-out text with --dev"
            )
        self.fingerprint = fingerprint(learnt, held_out)
        total = sum(map(len, learnt))
        self.figures = {"words": total, "vocabulary": len(words)}
        self.facts = {
            "text": f"{source}: {total:,} words, {len(words):,} of them have a vector",
            "judged by": f"{len(self._pairs)} plurals, within the {WITHIN} nearest words",
            "model": f"{config.model}, {config.width} numbers a word, {config.window} words around",
        }

    def loss(self, *batch: Tensor) -> Tensor:
        """The model's own loss."""
        loss: Tensor = self.model(*batch)
        return loss

    def optimizer(self, config: Settings) -> Optimizer:
        """Adam that changes the rows of a batch only."""
        return optim.SparseAdam(
            self.model.parameters(), lr=config.learning_rate, betas=(config.beta1, config.beta2)
        )

    def size(self, batch: tuple[NDArray[Any], ...]) -> int:
        """Pairs, or windows."""
        return len(batch[0])

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """The loss of held-out passages, and what the vectors know of words.

        "plurals" is the share of words whose plural is among the ten nearest words, "analogies"
        that of analogies of plurals that are solved so, "groups" how well likeness tells the
        bundled groups of words apart.
        """
        batches, losses = self._held_out, []
        batches.restore({"epoch": 0, "batch": 0})
        for _ in range(len(batches) if whole else min(len(batches), _QUICK)):
            if stop():
                return None
            losses.append(float(self._loss(*batches.draw())))
        return {"loss": float(np.mean(losses)), **self._judged(self.space())}

    def space(self) -> WordSpace:
        """The words and their vectors."""
        return WordSpace(self.words.tokens, np.asarray(self.model.vectors()))

    def baselines(self) -> Iterator[Baseline]:
        """Counting: positive pointwise mutual information, and its singular vectors."""
        key, name = "ppmi_svd", "PPMI and SVD"
        if len(self.words) > _BASELINE_WORDS:
            yield Baseline(key, name, {}, f"more than {_BASELINE_WORDS:,} words to count")
            return
        vectors = ppmi_vectors(
            self._learnt, len(self.words), self._config.width, window=_BASELINE_WINDOW
        )
        yield Baseline(key, name, self._judged(WordSpace(self.words.tokens, vectors)))

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """Some words and the words nearest to them."""
        del generator, stop
        space = self.space()
        asked = [word for word, _ in self._pairs][:_SHOWN] or list(self.words.tokens[:_SHOWN])
        width = max(map(len, asked))
        return "\n".join(
            f"{word:{width}}  " + " ".join(near for near, _ in space.nearest(word, _SHOWN_NEAREST))
            for word in asked
        )

    def assets(self) -> Mapping[str, str]:
        """The words and their counts."""
        counts = msgspec.json.encode(self._known.counts).decode()
        return {"vocabulary": self.words.to_json(), "counts": counts}

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """The words nearest to a word, or for three the words d with a : b = c : d; cosines."""
        space = self.space()
        for number, line in enumerate(lines, start=1):
            asked = english_words(line)
            if not asked:
                yield ""
                continue
            if len(asked) not in {1, 3}:
                raise ArgumentError(f"line {number}: give one word, or three: man king woman")
            missing = [word for word in asked if word not in space]
            if missing:
                yield "\t".join([*asked, f"no vector of {' '.join(missing)}"])
                continue
            if len(asked) == 1:
                found = space.nearest(asked[0], WITHIN)
            else:
                found = space.analogy(asked[0], asked[1], asked[2], WITHIN)
            yield "\t".join([*asked, *[f"{word} {cosine:.3f}" for word, cosine in found]])

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """Words whose plural is farthest from them."""
        space = self.space()
        found = []
        for word, plural in self._pairs:
            order = [near for near, _ in space.nearest(word, len(self.words))]
            place = order.index(plural)
            if place >= WITHIN:
                found.append(Mistake("", word, plural, " ".join(order[:3]), float(place + 1)))
        return sorted(found, key=lambda m: -m.loss)[:most]

    def _judged(self, space: WordSpace) -> dict[str, float]:
        scores = {
            "plurals": space.recall(self._pairs, WITHIN),
            "analogies": space.analogy_accuracy(self._pairs, WITHIN),
            "groups": space.auc(WORD_GROUPS),
        }
        return {name: score for name, score in scores.items() if np.isfinite(score)}


def _encoded(words: Vocabulary, passages: Iterable[Sequence[str]]) -> list[NDArray[np.int64]]:
    """Codes, -1 for words without a vector."""
    codes = {word: code for code, word in enumerate(words.tokens)}
    return [np.array([codes.get(word, -1) for word in words], np.int64) for words in passages]


def _model(config: VectorSettings, words: int) -> nn.Module:
    kinds: dict[str, Callable[[int, int], nn.Module]]
    kinds = {"skipgram": SkipGram, "cbow": CBOW, "glove": GloVe}
    return kinds[config.model](words, config.width)


def _stream(
    config: VectorSettings, passages: list[NDArray[np.int64]], known: _Known, *,
    held_out: bool = False,
) -> WordPairs | WordsAround | CountedPairs:  # fmt: skip
    """The batches of a text; what is frequent is decided by the text that is learnt from."""
    counts = np.array(known.counts)
    if config.model == "glove":
        here = sum(int((codes >= 0).sum()) for codes in passages)
        times = counts.sum() / max(here, 1) if held_out else 1.0
        return CountedPairs(
            passages, config.window, config.batch, seed=config.seed, times=times, fewer=held_out
        )
    kind = WordsAround if config.model == "cbow" else WordPairs
    return kind(
        passages, words=len(counts), window=config.window, negatives=config.negatives,
        batch=config.batch, often=config.often, seed=config.seed, counts=counts, fewer=held_out,
    )  # fmt: skip
