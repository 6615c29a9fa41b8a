"""The translation task: texts into texts of another language, be it English, phonemes or trees.

Example: `chainrule train translate`, or `chainrule train translate cmudict.dict`. The data of a job
is in `text/translation_data.py`. May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.models.beam import Beam
from chainrule.models.translators import (
    BeamTranslation,
    LSTMTranslator,
    TransformerTranslator,
    Translator,
)
from chainrule.tensor.tensor import Tensor
from chainrule.text.nearest_pair import NearestPair
from chainrule.text.padded_batches import PaddedBatches
from chainrule.text.splits import evenly
from chainrule.text.subwords import BYTES
from chainrule.text.token_kinds import NAMES, SUBWORDS
from chainrule.text.translation_codes import TranslationCodes
from chainrule.text.translation_data import Corpus, Held, bundled, read_corpus
from chainrule.text.translation_scores import has_sacrebleu, translation_scores
from chainrule.train.config import BatchSize, LearningRate, Settings, StepCount, only, share, whole
from chainrule.train.job import Baseline, Batch, Job, Mistake, Scores
from chainrule.train.memory import require_memory
from chainrule.train.steps import inference
from chainrule.train.task import Task

QUICK = 256  # held-out sources of an evaluation before the last one, which takes all
SHOWN = 4  # examples in a sample
LOOKED_AT = 40  # held-out sources that a sample chooses from
LIMIT = 2**28  # training sources times held-out ones that the nearest pair is looked for in
AT_A_TIME = 64  # lines that `predict` reads before it writes

_KINDS = ", ".join(NAMES)
_FEW = 1000  # pairs; of fewer, a token that occurs once is not rare
_NATURAL = ("words", SUBWORDS)  # tokens of texts that BLEU splits by itself


class TranslationSettings(Settings, frozen=True, kw_only=True):
    """The settings of a translator."""

    steps: StepCount = 1800
    batch: BatchSize = 64
    learning_rate: LearningRate = 3e-3
    beta2: Annotated[float, share("AdamW's memory of their squares")] = 0.98
    evaluate_every: Annotated[int, whole(0, "steps between validations; 0: at the end only")] = 300
    layers: Annotated[int, whole(1, "layers of the encoder, and as many of the decoder")] = 1
    width: Annotated[int, whole(2, "numbers that stand for one token")] = 128
    heads: Annotated[
        int, whole(1, "attention heads; divides width"), only(model=("transformer",))
    ] = 4
    dropout: Annotated[float, share("share of values dropped in training")] = 0.0
    beam: Annotated[int, whole(1, "translations kept while searching; 1: greedy")] = 4
    source_tokens: Annotated[str, Meta(description=f"{_KINDS}; empty: by the data")] = ""
    target_tokens: Annotated[str, Meta(description=f"{_KINDS}; empty: by the data")] = ""
    vocabulary: Annotated[int, whole(1, "most tokens of both languages")] = 16_000
    rarest: Annotated[
        int, whole(0, f"pairs a token occurs in at least; 0: 2, or 1 of fewer than {_FEW:,} pairs")
    ] = 0
    copies: Annotated[int, whole(0, "rare words of a source that can be copied; 0: none")] = 16
    longest: Annotated[int, whole(4, "most tokens of a side; longer pairs are left out")] = 64
    stress: Annotated[bool, Meta(description="keep the stress of a pronouncing dictionary")] = False

    def check(self) -> None:
        """Names of kinds of tokens are known."""
        for name in ("source_tokens", "target_tokens"):
            kind = getattr(self, name)
            if kind and kind not in NAMES:
                raise ConfigError(f"setting {name!r}: expected one of {_KINDS}, got {kind!r}")
        if SUBWORDS in {self.source_tokens, self.target_tokens} and self.vocabulary < BYTES:
            raise ConfigError(
                f"vocabulary={self.vocabulary} is too small for subwords: {BYTES} of them are bytes"
            )


class Translation(Task[TranslationSettings]):
    """Translate texts."""

    name = "translate"
    summary = "a translator learns to turn texts into others: sentences, phonemes, trees"
    settings = TranslationSettings
    models: ClassVar = {
        "lstm": "LSTM encoder and decoder with Luong's attention",
        "transformer": "Transformer encoder and decoder",
    }
    defaults: ClassVar = {"transformer": {"learning_rate": 2e-3, "layers": 2}}

    of_vocabulary = ("source_tokens", "target_tokens", "vocabulary", "rarest", "copies")

    def begin(self, config: TranslationSettings, assets: Mapping[str, str]) -> Job:
        """Read the pairs; without dev files a tenth is held out, by file or hash of the source."""
        given, dev = config.data, config.dev
        corpus = read_corpus(given, dev, stress=config.stress) if given else bundled()
        codes = _codes(assets) if assets else None
        return TranslationJob(config, corpus, codes)

    def reopen(
        self, config: TranslationSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with its vocabulary; all pairs of `data` are held out."""
        nothing = Corpus([], [], "", ("", ""))
        corpus = read_corpus(data, stress=config.stress, learn=False) if data else nothing
        return TranslationJob(config, corpus, _codes(assets))


def _codes(assets: Mapping[str, str]) -> TranslationCodes:
    try:
        return TranslationCodes.from_json(assets.get("codes", ""))
    except DataError as error:
        raise CheckpointError(f"does not hold the model's vocabulary: {error}") from None


class TranslationJob(Job):
    """A translator, pairs to learn from, and held-out sources with their translations."""

    unit, counted = "nats a token", "tokens"
    more_is_better = True
    sampled = "held-out texts, what is right, and the best beams with their scores"

    def __init__(
        self, config: TranslationSettings, corpus: Corpus, codes: TranslationCodes | None
    ) -> None:
        """The weights come from the global random state; None makes a vocabulary of the pairs."""
        self._config, self.source = config, corpus.source
        self._codes = codes or TranslationCodes.of(
            corpus.learnt,
            config.source_tokens or corpus.tokens[0],
            config.target_tokens or corpus.tokens[1],
            most=config.vocabulary,
            least=config.rarest or (2 if len(corpus.learnt) >= _FEW else 1),
            copies=config.copies,
        )
        self._learnt = corpus.learnt_codes(self._codes, config.longest)
        self._held = corpus.held_out(self._codes)
        words = self._codes.words
        vocabulary = len(words.vocabulary)
        self.model = _build(config, vocabulary)
        self._losses = inference(self.model, self._losses_at, eager=config.eager)
        self._search = BeamTranslation(
            self.model,
            start=words.start,
            end=words.end,
            longest=config.longest,
            run=lambda function: inference(self.model, function, eager=config.eager),
        )
        self._learnt_sources = {source.tobytes() for source in self._learnt.sources}
        if self._learnt.sources:
            columns = [self._learnt.sources, self._learnt.inputs, self._learnt.outputs]
            self.batches = PaddedBatches(columns, config.batch, seed=config.seed)
        natural = self._codes.target_tokens in _NATURAL
        self.judged_by = "chrf" if natural and has_sacrebleu() else "exact"
        self.fingerprint = corpus.fingerprint
        self.figures = {"pairs": len(corpus.learnt), "held_out": len(self._held)}
        self.facts: dict[str, str] = {
            "pairs": self._learnt.said + f", {len(self._held):,} sources held out",
            "tokens": f"{self._codes.source_tokens} to {self._codes.target_tokens}, "
            f"{vocabulary:,} distinct, {words.copies} of them for rare words, which are copied",
            "model": f"{config.model}, {config.layers} layers a side, width {config.width}, "
            f"beam {config.beam}",
        }
        if not has_sacrebleu():
            self.facts["scores"] = "exact ones; for chrF and BLEU pip install 'chainrule[text]'"

    def size(self, batch: Batch) -> int:
        """The tokens of the targets."""
        return int((batch[2] != self.model.padding).sum())

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross entropy of the next token of the target, given the source and the true ones."""
        source, inputs, outputs, _ = batch
        logits = self.model(source, inputs).flatten(0, 1)
        return F.cross_entropy(logits, outputs.flatten(), ignore_index=0)

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """The loss, and the scores of the best beam; a part is sources at equal distances.

        A translation is right if it equals one of those of its source. `exact_new` is of sources
        that were not learnt, rare words aside.
        """
        held = self._held if whole else evenly(self._held, QUICK)
        losses = self._losses_of(held, stop)
        found = self._translate(held, stop)
        if losses is None or found is None:
            return None
        texts = [self._text(beams[0], one) for beams, one in zip(found, held, strict=True)]
        tokens = sum(len(codes) for one in held for codes in one.outputs)
        new = [one.codes.tobytes() not in self._learnt_sources for one in held]
        return {"loss": float(losses.sum()) / tokens} | _judge(
            texts, held, new, tokenized=self._codes.target_tokens not in _NATURAL
        )

    def baselines(self) -> Iterator[Baseline]:
        """The source as it is, and the target of the nearest training pair."""
        tokenized = self._codes.target_tokens not in _NATURAL
        held, learnt = self._held, self._learnt
        new = [one.codes.tobytes() not in self._learnt_sources for one in held]
        copied = [one.source for one in held]
        scores = _judge(copied, held, new, tokenized=tokenized)
        yield Baseline("copy", "the source as it is", scores)
        name = "nearest training pair"
        if len(held) * len(learnt.sources) > LIMIT:
            yield Baseline("nearest", name, {}, f"more than {LIMIT:,} pairs to compare")
            return
        nearest = NearestPair(learnt.sources, learnt.outputs)
        texts = [self._codes.decode(nearest(one.codes), one.rare) for one in held]
        yield Baseline("nearest", name, _judge(texts, held, new, tokenized=tokenized))

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """Some held-out sources, those that are translated wrongly first."""
        count = min(LOOKED_AT, len(self._held))
        held = [self._held[int(n)] for n in generator.permutation(len(self._held))[:count]]
        found = self._translate(held, stop)
        if found is None:
            return None
        examples = list(zip(held, found, strict=True))
        examples.sort(key=lambda example: self._is_right(*example))
        return "\n".join(self._shown(one, beams) for one, beams in examples[:SHOWN])

    def assets(self) -> Mapping[str, str]:
        """How texts are cut, and the vocabulary."""
        return {"codes": self._codes.to_json()}

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """The translation of each line; an empty line stays empty."""
        given = iter(lines)
        while chunk := list(islice(given, AT_A_TIME)):
            held = [Held(line, (), *self._codes.encode(line), ()) for line in chunk]
            found = self._translate(held, lambda: False) or []
            for one, beams in zip(held, found, strict=True):
                yield self._text(beams[0], one) if one.source.strip() else ""

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """Wrong translations of held-out texts, those first whose right one is least likely."""
        losses = self._losses_of(self._held, lambda: False)
        found = self._translate(self._held, lambda: False)
        assert losses is not None
        assert found is not None
        wrong = [
            Mistake(one.place, one.source, one.targets[0], self._text(beams[0], one), float(loss))
            for one, beams, loss in zip(self._held, found, losses, strict=True)
            if not self._is_right(one, beams)
        ]
        return sorted(wrong, key=lambda mistake: -mistake.loss)[:most]

    def _losses_at(self, source: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
        """The loss of each target, [rows]."""
        logits = self.model(source, inputs).flatten(0, 1)
        losses = F.cross_entropy(logits, outputs.flatten(), ignore_index=0, reduction="none")
        return losses.view(outputs.shape).sum(1)

    def _losses_of(
        self, held: Sequence[Held], stop: Callable[[], bool]
    ) -> NDArray[np.float64] | None:
        """The summed loss of the translations of each source; None if `stop()` became true."""
        start = [self._codes.words.start]
        rows = [(n, out) for n, one in enumerate(held) for out in one.outputs]
        columns = [
            [held[n].codes for n, _ in rows],
            [np.concatenate([start, out[:-1]]) for _, out in rows],
            [out for _, out in rows],
        ]
        losses = np.zeros(len(held))
        for chosen, (source, inputs, outputs, _) in PaddedBatches(columns, 64).in_order():
            if stop():
                return None
            np.add.at(losses, [rows[n][0] for n in chosen], self._losses(source, inputs, outputs))
        return losses

    def _translate(self, held: Sequence[Held], stop: Callable[[], bool]) -> list[list[Beam]] | None:
        """The best beams of each source; equal codes are translated once."""
        distinct = {one.codes.tobytes(): one.codes for one in held}
        keys = list(distinct)
        found: dict[bytes, list[Beam]] = {}
        for chosen, beams in self._search.in_batches(list(distinct.values()), self._config.beam):
            if stop():
                return None
            found.update(zip((keys[n] for n in chosen), beams, strict=True))
        return [found[one.codes.tobytes()] for one in held]

    def _text(self, beam: Beam, one: Held) -> str:
        return self._codes.decode(beam.codes, one.rare)

    def _is_right(self, one: Held, beams: Sequence[Beam]) -> bool:
        return self._text(beams[0], one) in one.targets

    def _shown(self, one: Held, beams: Sequence[Beam]) -> str:
        lines = [one.source, *(f"    right  {target}" for target in one.targets)]
        return "\n".join(
            [*lines, *(f"    {beam.score:5.2f}  {self._text(beam, one)}" for beam in beams[:2])]
        )


def _judge(
    texts: Sequence[str], held: Sequence[Held], new: Sequence[bool], *, tokenized: bool
) -> dict[str, float]:
    """The scores of texts, and of those whose source is new, unless all or none are."""
    scores = translation_scores(texts, [one.targets for one in held], tokenized=tokenized)
    if any(new) and not all(new):
        right = [text in one.targets for text, one in zip(texts, held, strict=True)]
        scores["exact_new"] = float(
            np.mean([r for r, is_new in zip(right, new, strict=True) if is_new])
        )
    return scores


def _build(config: TranslationSettings, vocabulary: int) -> Translator:
    width = config.width
    parameters = vocabulary * (width + 1) + 28 * config.layers * width * width
    positions = 2 * config.batch * config.longest
    require_memory(
        parameters,
        positions * (8 * config.layers * width + vocabulary),
        f"about {parameters:,} parameters, batches of {config.batch} pairs of up to "
        f"{config.longest} tokens",
        "choose a smaller width, batch, vocabulary or longest, or fewer layers",
    )
    options: dict[str, Any] = {"layers": config.layers, "dropout": config.dropout}
    if config.model == "lstm":
        return LSTMTranslator(vocabulary, width, **options)
    return TransformerTranslator(vocabulary, width, heads=config.heads, **options)
