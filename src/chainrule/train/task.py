"""A task: a kind of training job, such as language models or classification.

    >>> task = catalogue.find_task("language")
    >>> job = task.begin(task.configure(None, ["steps=100"]), {})

docs/adding_a_task.md says how one is written. May import `train.config` and `train.job`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic

import msgspec

from chainrule.base.errors import ConfigError
from chainrule.train.config import S, changes, checked, read_toml, require_read
from chainrule.train.job import Job


class Task(ABC, Generic[S]):
    """How the jobs of one kind are set up; it has no state.

    A subclass sets the class attributes, and makes jobs in `begin` and `reopen`.
    """

    name: ClassVar[str]  # on the command line: "classify"
    summary: ClassVar[str]  # one line for --help
    settings: type[S]
    models: ClassVar[Mapping[str, str]]  # name → one line for --help; the first is the default
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # by model, where they differ
    of_vocabulary: ClassVar[tuple[str, ...]] = ()  # settings it is made by: kept with its weights
    used_by: ClassVar[tuple[str, str]] = ("predict {run} FILE", "let it predict")  # and what for

    @abstractmethod
    def begin(self, config: S, assets: Mapping[str, str]) -> Job:
        """Read the data and build the model, whose weights come from the global random state.

        `assets` are {}, or those of an earlier run whose weights the new one starts with: then use
        its vocabularies and labels. Bad data raises `DataError`, before any file is written.
        """

    @abstractmethod
    def reopen(self, config: S, assets: Mapping[str, str], data: Sequence[str]) -> Job:
        """The job of a saved run without its training data; the caller loads the weights.

        `data` are files to evaluate on, all of whose examples are held out; without any, only
        `predict` is called. Damaged `assets` raise `CheckpointError`.
        """

    def configure(self, path: Path | None, overrides: Iterable[str], **given: Any) -> S:
        """The settings of a run, see `train.config.configure`; a file may name the task."""
        values = read_toml(path)
        named = values.pop("task", self.name)
        if named != self.name:
            raise ConfigError(f"{str(path)!r} is for the task {named!r}, not {self.name!r}")
        return self.settled(values, changes(overrides, given), path)

    def settled(
        self, values: Mapping[str, Any], changed: Mapping[str, Any], path: Path | None
    ) -> S:
        """The checked settings of a file's `values` and `changed` ones; the model is named.

        A changed setting that the model does not read is refused. A file may hold it, since that
        of a run holds every setting.
        """
        first = next(iter(self.models))
        model = changed.get("model") or values.get("model") or first
        own = self.defaults.get(model, {}) if isinstance(model, str) else {}
        config = checked(self.settings, {**own, **values}, changed, path)
        if not config.model:
            config = msgspec.structs.replace(config, model=first)
        if config.model not in self.models:
            raise ConfigError(
                f"the task {self.name!r} has no model {config.model!r}; "
                f"its models are {', '.join(self.models)}"
            )
        require_read(config, changed)
        return config
