"""`chainrule train`: options in, events shown.

    chainrule train language book.txt --steps 5000 --set width=192

May import everything below.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.base.errors import ChainruleError, NonFiniteError
from chainrule.cli.listener import way_on
from chainrule.cli.runs_option import runs_option
from chainrule.cli.streams import abandon_output, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chainrule.cli.listener import Listener
    from chainrule.train.events import Event
    from chainrule.train.interrupts import Interrupts

_SIGNAL_EXIT = 128  # the shell's convention: 128 + number of the signal


class _WithSettings(click.Command):
    """A command whose help ends with the tasks, and the models and settings of the named one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the task for `--help`, which is answered before arguments are read."""
        from chainrule.tasks.catalogue import DEFAULT, TASKS

        ctx.meta["task"] = next((word for word in args if word in TASKS), DEFAULT)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the tasks, the models, and every key of --set and --config with its default."""
        from chainrule.tasks.catalogue import DEFAULT, TASKS, find_task
        from chainrule.train.config import described

        task = find_task(ctx.meta.get("task", DEFAULT))
        with formatter.section("Tasks"):
            formatter.write_dl([(name, find_task(name).summary) for name in TASKS])
        with formatter.section(f"Models of {task.name}"):
            formatter.write_dl(list(task.models.items()))
        with formatter.section(f"Settings of {task.name}, for --set and --config"):
            formatter.write_dl(
                [
                    (f"{name}={json.dumps(default)}", text)
                    for name, default, text in described(task.settings)
                ]
            )
        super().format_epilog(ctx, formatter)


@click.command(cls=_WithSettings)
@click.argument("words", nargs=-1, metavar="[TASK] [FILE]...")
@click.option(
    "--data", multiple=True, metavar="FILE", help="What to learn from; default: bundled data."
)
@click.option("--model", metavar="NAME", help="One of the task's models.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in TOML.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting; repeat."
)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed, another run.")
@click.option("--threads", type=click.IntRange(min=1), help="Cores to use; default: all.")
@click.option("--resume", metavar="RUN", help="Continue a run: a folder, a number, or 'last'.")
@click.option("--eager", is_flag=True, default=None, help="Run uncompiled, operation by operation.")
@click.option(
    "--tensorboard", is_flag=True, default=None, help="Also write for TensorBoard, in the run."
)
@runs_option
def train(
    words: tuple[str, ...],
    data: tuple[str, ...],
    runs: Path,
    resume: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    steps: int | None,
    **given: Any,
) -> int:
    """Train a model for a TASK and watch it learn; without one, a language model.

    Without a FILE it learns from what every Python carries, in about a minute: a language model
    from the documentation topics. A part of the data is held out for evaluation. Ctrl-C saves and
    stops; --resume continues the run exactly.

    \b
    Examples
      chainrule train
      chainrule train book.txt --steps 5000
      chainrule train --set layers=6 --set width=192 --set dropout=0.1
      chainrule train --resume last
      chainrule train | tail -n 1          the result as JSON
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.train.interrupts import Interrupts

    task, files = _task_and_files(words)
    with Interrupts() as interrupts:
        if resume is None:
            given |= {"steps": steps, "data": data + files or None}
            events = _new(task, runs, config, assignments, interrupts, **given)
        else:
            given |= {"data": data or None}
            _refuse_settings(words, config, assignments, given)
            events = _resumed(runs, resume, steps, interrupts)
        # The run must close its files even if an event cannot be shown.
        with contextlib.closing(events):  # type: ignore[type-var]
            return _follow(events, _listener(), interrupts)


def _task_and_files(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The task, if the first word names one, and the files."""
    from chainrule.tasks.catalogue import TASKS, find_task

    task = words[0] if words and words[0] in TASKS else None
    files = words[1:] if task else words
    if task is None and files and not Path(files[0]).exists() and not Path(files[0]).suffix:
        find_task(files[0])  # raises: neither a file nor a task
    return task, files


def _new(
    named: str | None,
    runs: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    interrupts: Interrupts,
    **given: Any,
) -> Iterator[Event]:
    from chainrule.tasks.catalogue import DEFAULT, find_task
    from chainrule.tasks.run import train_new
    from chainrule.train.config import read_toml

    task = find_task(named or str(read_toml(config).get("task", DEFAULT)))
    return train_new(task, task.configure(config, assignments, **given), runs, interrupts)


def _resumed(runs: Path, resume: str, steps: int | None, interrupts: Interrupts) -> Iterator[Event]:
    from chainrule.tasks.run import train_on
    from chainrule.train.runs import find_run

    return train_on(find_run(resume, runs), steps, interrupts)


def _refuse_settings(
    words: tuple[str, ...], config: Path | None, assignments: tuple[str, ...], given: dict[str, Any]
) -> None:
    changed = [f"--{name}" for name, value in given.items() if value is not None]
    changed += list(words)
    changed += ["--config"] * (config is not None) + ["--set"] * bool(assignments)
    if changed:
        raise click.UsageError(
            f"--resume goes on with the run's own settings, so {' and '.join(changed)} cannot "
            "go with it; only --steps can"
        )


def _listener() -> Listener:
    from chainrule.cli.plain import Plain
    from chainrule.cli.screen import Screen, suits

    return Screen() if suits() else Plain()


def _follow(events: Iterator[Event], listener: Listener, interrupts: Interrupts) -> int:
    """Show the events of a run; the run saves and stops when they cannot be shown."""
    from chainrule.train.events import Began, Stopped

    code, folder, lost = 0, None, None
    try:
        for event in events:
            if isinstance(event, Began):
                folder = event.folder
            if isinstance(event, Stopped):
                code = 1 if event.signal is None else _SIGNAL_EXIT + event.signal
            try:
                if lost is None:
                    listener.show(event)
            except OSError as error:
                lost = error
                interrupts.stop()
    except (ChainruleError, OSError, MemoryError, KeyboardInterrupt) as error:
        if folder is not None and not isinstance(error, NonFiniteError):
            error.add_note(f"  what was saved before is whole; go on with: {way_on(folder)}")
        raise
    finally:
        with contextlib.suppress(OSError):
            listener.close()
    if lost is None or folder is None:
        return code
    abandon_output()
    go_on = f"everything is saved; go on with: {way_on(folder)}"
    state = go_on if code else f"{folder} is complete"
    tell(f"error: standard output cannot be written: {lost.strerror or lost}; {state}")
    return 1
