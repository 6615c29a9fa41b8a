"""`chainrule train --sweep`: a run for each combination of values, and a table of them.

    chainrule train --sweep lr=1e-3,2e-3 --sweep layers=2,4

May import everything below.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.base.errors import ConfigError, NonFiniteError
from chainrule.cli.columns import columns
from chainrule.cli.follow import follow
from chainrule.cli.settings_options import setting_name
from chainrule.cli.streams import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chainrule.train.config import Settings
    from chainrule.train.events import Event
    from chainrule.train.interrupts import Interrupts
    from chainrule.train.task import Task


def run_all(
    configured: Callable[[tuple[str, ...]], tuple[Task[Any], Settings]],
    sweep: tuple[str, ...],
    root: Path,
    name: str,
    interrupts: Interrupts,
) -> int:
    """Train one run after the other, all of whose settings are checked first.

    A run that diverges is a line of the table; Ctrl-C ends the sweep. Returns the exit code.
    """
    from chainrule.tasks.run import train_new

    task, _ = configured(())
    keys, choices = _choices(sweep, task)
    plans = [
        configured(tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True)))
        for values in choices
    ]
    rows, code = [], 0
    for number, ((task, config), values) in enumerate(zip(plans, choices, strict=True), 1):
        seen = _Seen(train_new(task, config, root, interrupts, f"{name}-{number}" if name else ""))
        try:
            code = follow(iter(seen), interrupts)
        except NonFiniteError as error:
            tell(f"error: {error}")
        rows.append([seen.name, *values, *seen.outcome()])
        if code:
            break
    click.echo(columns(["run", *keys, "score", "training loss", ""], rows))
    return code


class _Seen:
    """The events of a run, with what the table needs of them."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._folder: Path | None = None
        self._judged = "loss"

    def __iter__(self) -> Iterator[Event]:
        from chainrule.train.events import Began

        with contextlib.closing(self._events):  # type: ignore[type-var]
            for event in self._events:
                if isinstance(event, Began):
                    self._folder, self._judged = event.folder, event.job.judged_by
                yield event

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self._folder.name if self._folder else "–"

    def outcome(self) -> list[str]:
        """The score that decides, the training loss, and whether the run diverged."""
        from chainrule.train.runs import read_result

        result = read_result(self._folder) if self._folder else {}
        if not result:
            return ["", "", "stopped"]
        score, loss = result.get(f"held_out_{self._judged}"), result["training_loss"]
        return [
            "" if score is None else f"{self._judged} {score:.4f}",
            "" if loss is None else f"{loss:.4f}",
            "diverged" if "diverged" in result else "",
        ]


def _choices(sweep: tuple[str, ...], task: Task[Any]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The swept settings, and every combination of their values."""
    keys, values = [], []
    for text in sweep:
        key, equals, listed = text.partition("=")
        swept = [value.strip() for value in listed.split(",") if value.strip()]
        if not equals or not swept:
            raise ConfigError(f"{text!r} is not a sweep; write it as key=a,b,c")
        keys.append(setting_name(key.strip(), task.settings))
        values.append(swept)
    return keys, list(itertools.product(*values))
