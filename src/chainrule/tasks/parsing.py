"""The parsing task: the head of each word of a sentence, and its relation to it.

Example: `chainrule train parse train.conllu --dev dev.conllu`, then `chainrule predict last FILE`.
Without data it learns the trees of Python statements (`text/python_dependencies.py`).
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chainrule.base.errors import DataError
from chainrule.tasks.biaffine_parsing import BiaffineJob
from chainrule.tasks.parsing_job import Lexicon, ParsingSettings
from chainrule.tasks.transition_parsing import TransitionJob
from chainrule.text.library_source import python_version
from chainrule.text.parsed import (
    Parsed,
    read_parsed,
)
from chainrule.text.python_dependencies import python_dependencies
from chainrule.text.splits import split_by_hash
from chainrule.train.job import Job
from chainrule.train.task import Task


class Parsing(Task[ParsingSettings]):
    """Find the dependency tree of a sentence."""

    name = "parse"
    summary = "a parser learns the head of each word, and its relation to it"
    settings = ParsingSettings
    models: ClassVar = {
        "biaffine": "biaffine scores on a bidirectional LSTM, best spanning tree",
        "arc-standard": "transitions, each chosen by a feed-forward network",
    }
    defaults: ClassVar = {
        "arc-standard": {
            "steps": 1000, "batch": 256, "learning_rate": 2e-3, "word_width": 64,
            "affix_width": 16, "relation_width": 32, "dropout": 0.2,
        },
    }  # fmt: skip

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
        lexicon = Lexicon.loaded(assets) if assets else Lexicon.of(learnt, config)
        return _job(config, source, lexicon, learnt, held_out)

    def reopen(
        self, config: ParsingSettings, assets: Mapping[str, str], data: Sequence[str]
    ) -> Job:
        """The model with the vocabularies of its own data; all of `data` is held out."""
        held_out, source = _read(data) if data else ([], "")
        return _job(config, source, Lexicon.loaded(assets), [], held_out)


def _read(paths: Sequence[str]) -> tuple[list[Parsed], str]:
    read = [read_parsed(path) for path in paths]
    return [tree for trees, _ in read for tree in trees], "; ".join(said for _, said in read)


def _job(config: ParsingSettings, *rest: Any) -> Job:
    kind = TransitionJob if config.model == "arc-standard" else BiaffineJob
    return kind(config, *rest)
