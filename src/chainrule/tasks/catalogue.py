"""The tasks of `chainrule train`, by name; each is loaded when it is first asked for.

    >>> find_task("language").models["gpt"]
    'decoder-only Transformer'

May import `train` and, at the first use, a task.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from chainrule.base.errors import ConfigError
from chainrule.train.task import Task

DEFAULT = "language"
TASKS = {  # name → module and class below `chainrule.tasks`
    "language": "language_model.LanguageModel",
    "classify": "classification.Classification",
    "tag": "tagging.Tagging",
    "parse": "parsing.Parsing",
    "translate": "translation.Translation",
    "vectors": "word_vectors.WordVectors",
}


def find_task(name: str) -> Task[Any]:
    """The task of this name; `ConfigError` lists the names for another one."""
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the tasks are {', '.join(TASKS)}"
        raise ConfigError(f"there is no task {name!r}; {hint}")
    module, _, kind = TASKS[name].partition(".")
    task: Task[Any] = getattr(importlib.import_module(f"chainrule.tasks.{module}"), kind)()
    return task
