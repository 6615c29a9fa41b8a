"""A language model in training: windows of a text, held-out losses, text that it writes.

    >>> job = LanguageJob(config, "book.txt", Characters.of(text), training, held_out)
    >>> job.evaluate(lambda: False, whole=True)
    {'loss': 1.52, 'perplexity': 4.57}

`tasks/language_model.py` makes it. May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ConfigError, DataError
from chainrule.models import gpt, llama
from chainrule.models.beam import Step, beam_search
from chainrule.models.generation import Sampling, windowed, write
from chainrule.models.recurrent_language import KINDS
from chainrule.models.window_language import WindowLanguageModel
from chainrule.tensor.tensor import Tensor
from chainrule.text.batches import (
    Codes,
    RandomWindows,
    code_parts,
    consecutive_batches,
    in_memory,
)
from chainrule.text.characters import Characters
from chainrule.text.fingerprint import fingerprint
from chainrule.text.held_out_text import HeldOutText
from chainrule.text.ngram import CharacterNGram, KneserNey
from chainrule.text.subwords import BYTES
from chainrule.text.tokens import BPE, CHARS, WORDS, Tokens, assets_of, noun_of, pieces_of
from chainrule.train.config import BatchSize, LearningRate, Settings, StepCount, only, share, whole
from chainrule.train.job import Baseline, Batch, Batches, Job, Mistake, Scores
from chainrule.train.memory import require_memory
from chainrule.train.steps import inference

BASELINE_ORDER = 5
BASELINE_LIMIT = 20_000_000  # training characters; counting more takes minutes and gigabytes
TEMPERATURE = 0.8  # of samples
WINDOWS = 64  # of a batch that is only judged
QUICK = 2**17  # held-out characters of an evaluation before the last one, which takes all
_BEGINNINGS = ("The ", "the ", "\n")  # of a sample, if the text has these characters
_SHOWN = 40  # characters before a mistake
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), 127], "·")  # would disturb a terminal
_FEW, _SHORT = 2, 16  # windows and characters of a small part of a batch


class LanguageSettings(Settings, frozen=True, kw_only=True):
    """The settings of a language model."""

    steps: StepCount = 1800
    batch: BatchSize = 12
    learning_rate: LearningRate = 2e-3
    weight_decay: Annotated[float, Meta(ge=0, description="of matrices; biases go free")] = 0.1
    layers: Annotated[
        int,
        whole(1, "Transformer blocks, or recurrent layers"),
        only(model=("gpt", "llama", *KINDS)),
    ] = 4
    heads: Annotated[
        int, whole(1, "attention heads; divides width"), only(model=("gpt", "llama"))
    ] = 4
    kv_heads: Annotated[
        int, whole(0, "heads of keys and values; 0: heads"), only(model=("llama",))
    ] = 0
    width: Annotated[int, whole(1, "numbers that stand for one character in the model")] = 128
    context: Annotated[int, whole(1, "characters of a window of text")] = 64
    reach: Annotated[
        int, whole(1, "characters the model looks back on"), only(model=("window",))
    ] = 10
    tokens: Annotated[str, Meta(description="chars, words, bpe, or a tokenizer.json")] = CHARS
    pieces: Annotated[int, whole(1, "in the vocabulary, at most"), only(tokens=(WORDS, BPE))] = 2000
    dropout: Annotated[float, share("share of values dropped in training")] = 0.0
    sample_length: Annotated[int, whole(0, "characters or tokens of each sample; 0: none")] = 200

    def check(self) -> None:
        """Subwords hold all bytes; each head takes an equal share, Llama's in pairs."""
        if self.tokens == BPE and self.pieces < BYTES:
            raise ConfigError(
                f"pieces={self.pieces} is too small for --tokens {BPE}: {BYTES} of them are bytes"
            )
        if self.model in {"", "gpt", "llama"} and self.width % self.heads:
            raise ConfigError(
                f"width={self.width} is not a multiple of heads={self.heads}; "
                "each head takes an equal share of the width"
            )
        if self.model == "llama" and self.width // self.heads % 2:
            raise ConfigError(
                f"width={self.width} gives each of heads={self.heads} an odd share of the width; "
                "llama turns pairs of numbers"
            )
        if self.model == "llama" and self.kv_heads and self.heads % self.kv_heads:
            raise ConfigError(f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}")


class Read(NamedTuple):
    """Codes of a text as a model predicted them; each is one-dimensional."""

    places: NDArray[np.int64]
    losses: NDArray[Any]  # of the true codes
    likeliest: NDArray[np.int64]  # the codes that the model takes to be likeliest


class LanguageJob(Job):
    """A Transformer, and windows of a text at random places."""

    sampled = "what it writes"

    def __init__(
        self,
        config: LanguageSettings,
        source: str,
        tokens: Tokens,
        training: Codes,
        held_out: HeldOutText,
    ) -> None:
        """The weights come from the global random state."""
        self.source, self.tokens = source, tokens
        self._config, self._training, self._held_out = config, training, held_out
        self.model = self._built(len(tokens))
        self.logits = inference(self.model, self._logits_at, eager=config.eager)
        self._judge = inference(self.model, self._judged, eager=config.eager)
        if len(training):
            self.batches = self._windows(training)
        self.fingerprint = fingerprint(
            assets_of(tokens).values(), code_parts(training), [held_out.codes]
        )
        named = f"{noun_of(tokens)}s"
        self.unit = f"nats a {noun_of(tokens)}"
        count = len(training) + len(held_out)
        self.figures = {named: count, "vocabulary": len(tokens)}
        self.facts = {
            "text": f"{source}: {count:,} {named}, {len(tokens)} distinct",
            "model": f"{config.model}, {self._shape()}, context {config.context}",
        }

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross entropy of the next character, over all positions."""
        inputs, targets = batch
        return F.cross_entropy(self._logits_at(inputs).flatten(0, 1), targets.flatten())

    def evaluate(self, stop: Callable[[], bool], *, whole: bool) -> Scores | None:
        """The mean loss, every token of the held-out text counted once, and the perplexity.

        If tokens are not characters, also the loss in nats a character of the text.
        """
        codes = self._held_out.codes if whole else self._held_out.codes[:QUICK]
        loss = self._mean_loss(codes, stop)
        if loss is None:
            return None
        scores = {"loss": loss, "perplexity": math.exp(min(loss, 700))}
        if not isinstance(self.tokens, Characters):
            last = len(codes) - 1
            characters = max(1, self._held_out.characters(0, last))
            scores["loss_per_character"] = loss * last / characters
        return scores

    def assets(self) -> Mapping[str, str]:
        """The vocabulary."""
        return assets_of(self.tokens)

    def few(self, batch: Batch) -> Batch:
        """The beginning of two windows."""
        return tuple(codes[:_FEW, :_SHORT] for codes in batch)

    def baselines(self) -> Iterator[Baseline]:
        """Counting, with contexts of four characters, smoothed in two ways."""
        name = f"{BASELINE_ORDER}-gram model"
        for key, full_name, kind in (
            ("five_gram", name, CharacterNGram),
            ("kneser_ney", f"{name}, Kneser–Ney", KneserNey),
        ):
            if len(self._training) > BASELINE_LIMIT:
                reason = f"more than {BASELINE_LIMIT:,} characters to count"
                yield Baseline(key, full_name, {}, reason)
                continue
            model = kind(in_memory(self._training), len(self.tokens), BASELINE_ORDER)
            loss = float(-model.log_probabilities(self._held_out.codes).mean())
            yield Baseline(key, full_name, {"loss": loss, "perplexity": math.exp(loss)})

    def samples(self, generator: np.random.Generator, stop: Callable[[], bool]) -> str | None:
        """What the model writes."""
        length = self._config.sample_length
        if not length:
            return ""
        start = self.beginning()
        prompt = self.tokens.encode(start)
        codes: list[int] = []
        for code in self.continuation(prompt, length, Sampling(TEMPERATURE), generator):
            if stop():
                return None
            codes.append(code)
        text = start.lstrip() + "".join(pieces_of(self.tokens, prompt.tolist(), codes))
        return text.translate(_CONTROL)

    def beginning(self) -> str:
        """What a text may begin with: one of some words, or else the first character."""
        if isinstance(self.tokens, Characters):
            beginnings = (*_BEGINNINGS, self.tokens.symbols[0])
            return next(start for start in beginnings if self._knows(start))
        return _BEGINNINGS[0].strip()

    def _knows(self, text: str) -> bool:
        """Whether all characters of a text are in the vocabulary."""
        return not isinstance(self.tokens, Characters) or set(text) <= set(self.tokens.symbols)

    def continuation(
        self,
        prompt: NDArray[np.int64],
        length: int,
        sampling: Sampling,
        generator: np.random.Generator,
    ) -> Iterator[int]:
        """`length` codes that the model writes after those of `prompt`."""
        return write(self.reader(), prompt, length, sampling, generator)

    def likeliest(self, prompt: NDArray[np.int64], length: int, beam: int) -> list[int]:
        """The `length` codes after `prompt` that are likeliest together, found by beam search."""
        step, cache = self._beam(prompt[:-1], beam)
        ((best, *_),) = beam_search(
            step, cache, sequences=1, beam=beam, start=int(prompt[-1]), end=-1, longest=length
        )
        return best.codes

    def _beam(self, before: NDArray[np.int64], beam: int) -> tuple[Step, Any]:
        """A step of the beam search, and the cache after the codes `before`: the texts so far."""
        context = self._config.context

        def step(
            codes: NDArray[np.int64], parents: NDArray[np.int64], texts: NDArray[np.int64]
        ) -> tuple[Any, Any]:
            texts = np.concatenate([texts[parents], codes[:, None]], 1)
            recent = texts[:, -context:]
            windows = np.zeros((beam, context), np.int64)
            windows[:, : recent.shape[1]] = recent
            return self.logits(windows)[:, recent.shape[1] - 1], texts

        return step, np.tile(before, (beam, 1))

    def reader(self) -> Callable[[Sequence[int]], NDArray[Any]]:
        """A function from the codes so far to the logits of the next."""
        return windowed(self.logits, self._config.context)

    def predict(self, lines: Iterable[str]) -> Iterator[str]:
        """The mean loss in nats of the characters or tokens of each line and its end, and the line.

        They are predicted from those before them in the line.
        """
        newline = "\n" if self._knows("\n") else ""
        for line in lines:
            codes = self.tokens.encode(f"{newline}{line}{newline}")
            if len(codes) < 2:
                raise DataError(f"a line of one {noun_of(self.tokens)} has no next one to predict")
            loss = self._mean_loss(codes, lambda: False, rows=1)
            yield f"{loss:.4f}\t{line}"

    def mistakes(self, most: int) -> Sequence[Mistake]:
        """The characters or tokens of the held-out text with the largest losses."""
        found: list[tuple[float, int, int]] = []  # loss, place, prediction
        for read in self._read(self._held_out.codes):
            worst = np.argsort(-read.losses, kind="stable")[:most]
            found += zip(*(part[worst].tolist() for part in (read.losses, *read[::2])), strict=True)
            found = sorted(found, reverse=True)[:most]
        return [self._mistake(*each) for each in found]

    def _mistake(self, loss: float, place: int, predicted: int) -> Mistake:
        codes = self._held_out.codes
        right = self.tokens.decode(codes[place : place + 1])
        before = self.tokens.decode(codes[max(0, place - _SHOWN) : place])
        guess = self.tokens.decode([predicted])
        where = f"{noun_of(self.tokens)} {place + 1}"
        return Mistake(where, f"{before}▸{right}", right, guess, loss)

    def _mean_loss(
        self, codes: NDArray[np.int64], stop: Callable[[], bool], rows: int = WINDOWS
    ) -> float | None:
        """The mean loss of `codes[1:]`, each counted once; None if `stop()` became true."""
        total = 0.0
        for read in self._read(codes, rows):
            if stop():
                return None
            total += float(read.losses.sum(dtype=np.float64))
        return total / (len(codes) - 1)

    def _read(self, codes: NDArray[np.int64], rows: int = WINDOWS) -> Iterator[Read]:
        """The text in batches of `rows` windows end to end, each predicted by itself."""
        numbers = np.arange(len(codes))
        for before, places, counts in consecutive_batches(numbers, self._config.context, rows):
            losses, likeliest = self._judge(codes[before], codes[places])
            yield Read(places[counts], losses[counts], likeliest[counts])

    def _judged(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss at every position and the likeliest code, both [batch, context]."""
        return judged(self._logits_at(inputs), targets)

    def _logits_at(self, inputs: Tensor) -> Tensor:
        """The logits at every position, [batch, context, vocabulary]."""
        logits: Tensor = self.model(inputs)
        return logits

    def _windows(self, codes: Codes) -> Batches:
        config = self._config
        return RandomWindows(codes, config.context, config.batch, config.seed)

    def _built(self, vocabulary: int) -> nn.Module:
        config = self._config
        if config.model == "window":
            return WindowLanguageModel(vocabulary, config.reach, config.width, config.dropout)
        return _transformer(config, vocabulary)

    def _shape(self) -> str:
        """The size of the model in words."""
        config = self._config
        if config.model == "window":
            return f"the last {config.reach} characters, width {config.width}"
        return f"{config.layers} layers, {config.heads} heads, width {config.width}"


def judged(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of each target and the likeliest code; logits [batch, context, vocabulary]."""
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape), logits.argmax(-1)


def _transformer(config: LanguageSettings, vocabulary: int) -> nn.Module:
    layers, heads, width = config.layers, config.heads, config.width
    shared = config.kv_heads or heads
    if config.model == "llama":
        parameters = llama.count_parameters(vocabulary, layers, heads, width, shared)
    else:
        parameters = gpt.count_parameters(vocabulary, config.context, layers, width)
    require_memory(
        parameters,
        config.batch * config.context * (layers * width + vocabulary),
        f"{parameters:,} parameters, batches of {config.batch} windows of {config.context}",
        "choose a smaller width, context or batch, or fewer layers",
    )
    sizes = vocabulary, config.context, layers, heads, width
    if config.model == "llama":
        return llama.Llama(*sizes, kv_heads=shared, dropout=config.dropout, tied=True)
    return gpt.GPT(*sizes, config.dropout)
