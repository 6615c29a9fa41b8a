"""The language model task: a model learns to continue a text.

Example: `chainrule train language book.txt`, or `train_new(LanguageModel(), config, …)` of
`tasks/run.py`; then `continue_text(Path("runs/001"), "The ", 100, Sampling(0.8), seed=0)` gives the
characters that follow. May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from chainrule.base.arguments import counted
from chainrule.base.errors import ConfigError, DataError
from chainrule.models.generation import Sampling, until
from chainrule.models.recurrent_language import KINDS
from chainrule.tasks.language_job import LanguageJob, LanguageSettings
from chainrule.tasks.recurrent_language_job import RecurrentJob
from chainrule.tasks.run import open_model
from chainrule.text.batches import Codes
from chainrule.text.corpus import require_length, require_lengths
from chainrule.text.documentation import documentation_text
from chainrule.text.held_out_text import HeldOutText
from chainrule.text.texts import Texts
from chainrule.text.tokens import CHARS, Tokens, noun_of, pieces_of, tokens_from, tokens_of
from chainrule.train.job import Job
from chainrule.train.task import Task

_DOCUMENTATION = "the documentation topics of this Python"
RECURRENT = {
    "width": 256, "layers": 1, "batch": 16, "steps": 1000,
    "learning_rate": 4e-3, "weight_decay": 0.01,
}  # fmt: skip


class LanguageModel(Task[LanguageSettings]):
    """Predict the next character of a text."""

    name = "language"
    summary = "a language model learns to write like a text"
    settings = LanguageSettings
    models: ClassVar = {
        "gpt": "decoder-only Transformer",
        "llama": "the same with rotary positions, RMSNorm, SwiGLU and tied embeddings",
        "lstm": "long short-term memory, whose state is carried through the text",
        "gru": "gated recurrent units, likewise",
        "rnn": "simple recurrent layers, likewise",
        "window": "feed-forward network on the last few characters",
    }
    defaults: ClassVar = {
        "lstm": RECURRENT,
        "gru": RECURRENT,
        "rnn": RECURRENT,
        "window": {"width": 256, "batch": 16, "weight_decay": 0.01},
    }
    used_by = ("generate {run} --length 1000", "let it write more")

    of_vocabulary = ("tokens", "pieces")

    def begin(self, config: LanguageSettings, assets: Mapping[str, str]) -> Job:
        """Read the text, whose end is held out."""
        texts = Texts(config.data) if config.data else Texts.of(documentation_text())
        source = ", ".join(config.data) or _DOCUMENTATION
        learnt, rest = (texts, Texts(config.dev)) if config.dev else texts.split()
        if assets:
            tokens = tokens_from(assets)
        else:
            # Each character needs a code; words and subwords that were not learnt have one.
            known = chain(learnt, rest) if config.tokens == CHARS else learnt
            tokens = tokens_of(config.tokens, known, config.pieces)
        codes = learnt.codes(tokens.encode, len(tokens))
        held_out = HeldOutText.of(rest, tokens)
        named = f"{noun_of(tokens)}s"
        if config.dev:
            require_lengths(codes, held_out, config.context, named)
        else:
            what = repr(source) if config.data else source
            require_length(codes, held_out, config.context, what, named)
        return _job(config, source, tokens, codes, held_out)

    def reopen(
        self, config: LanguageSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with the characters of its own text; all of `data` is held out."""
        tokens, source = tokens_from(assets), ", ".join(data)
        held_out = HeldOutText.of(Texts(data), tokens)
        if data and len(held_out) < 2:
            raise DataError(
                f"{source!r} is too short to evaluate: {counted(len(held_out), noun_of(tokens))}, "
                "of which the first is not predicted; give at least 2"
            )
        return _job(config, source, tokens, tokens.encode(""), held_out)


def _job(
    config: LanguageSettings,
    source: str,
    tokens: Tokens,
    training: Codes,
    held_out: HeldOutText,
) -> LanguageJob:
    kind = RecurrentJob if config.model in KINDS else LanguageJob
    return kind(config, source, tokens, training, held_out)


def continue_text(
    folder: Path,
    prompt: str,
    length: int,
    sampling: Sampling,
    seed: int | None,
    *,
    stop: Sequence[str] = (),
    beam: int = 0,
) -> Iterator[str]:
    """Yield piece by piece the `length` characters that the model of a run writes after `prompt`.

    The text ends before the first of the strings in `stop`. With a `beam`, it is the likeliest
    text that a beam search of this width finds, and nothing is drawn.
    """
    task, _, job = open_model(folder)
    if not isinstance(job, LanguageJob):
        raise ConfigError(
            f"{str(folder)!r} is a run of the task {task.name!r}, which does not write text; "
            "use chainrule predict"
        )
    codes = job.tokens.encode(prompt)
    if not len(codes):
        codes = job.tokens.encode(job.beginning())
    if beam:
        written: Iterable[int] = job.likeliest(codes, length, beam)
    else:
        written = job.continuation(codes, length, sampling, np.random.default_rng(seed))
    return until(pieces_of(job.tokens, codes.tolist(), written), stop)
