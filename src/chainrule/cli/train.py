"""`chainrule train`: options in, events shown.

    chainrule train language book.txt --steps 5000 --set width=192

May import everything below.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.base.errors import ChainruleError, ConfigError
from chainrule.cli.follow import follow
from chainrule.cli.runs_option import runs_option
from chainrule.cli.settings_options import as_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chainrule.train.config import Settings
    from chainrule.train.events import Event
    from chainrule.train.interrupts import Interrupts
    from chainrule.train.task import Task


class _WithSettings(click.Command):
    """A command whose help ends with the tasks, and the models and settings of the named one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the task for `--help`, and understand options that name one of its settings."""
        from chainrule.tasks.catalogue import DEFAULT, TASKS, find_task

        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        known = {name for option in options for name in option.opts}
        valued = {name for option in options if not option.is_flag for name in option.opts}
        words = [w for before, w in zip(["", *args], args, strict=False) if before not in valued]
        named = next((word for word in words if word in TASKS), None) or _named_by_options(args)
        ctx.meta["task"] = named or DEFAULT
        settings = find_task(ctx.meta["task"]).settings
        return super().parse_args(ctx, as_settings(args, settings, known))

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


def _named_by_options(args: list[str]) -> str | None:
    """The task of the run that `--from` names, or of the file of `--config`, if there is one."""
    from chainrule.tasks.catalogue import find_task
    from chainrule.tasks.run import configuration
    from chainrule.train.config import read_toml
    from chainrule.train.runs import find_run

    given = dict(zip(args, [*args, ""][1:], strict=True))
    given |= dict(arg.split("=", 1) for arg in args if arg.startswith("--") and "=" in arg)
    try:
        if "--from" in given:
            task, _ = configuration(find_run(given["--from"], Path(given.get("--runs", "runs"))))
            return task.name
        name = read_toml(Path(given["--config"])).get("task") if "--config" in given else None
        return find_task(name).name if isinstance(name, str) else None
    except ChainruleError:
        return None  # the command itself says what is wrong


@click.command(cls=_WithSettings, short_help="Train a model for a TASK, and watch it learn.")
@click.argument("words", nargs=-1, metavar="[TASK] [FILE]...")
@click.option(
    "--data", multiple=True, metavar="FILE", help="What to learn from; default: bundled data."
)
@click.option("--model", metavar="NAME", help="One of the task's models.")
@click.option("--dev", multiple=True, metavar="FILE", help="Held-out data; default: a part of it.")
@click.option("--from", "start", metavar="RUN", help="Start with the weights of a run: fine-tune.")
@click.option("--name", default="", metavar="NAME", help="Name the run; default: a number.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in TOML.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting; repeat."
)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps.")
@click.option("--epochs", type=click.FloatRange(min=0), help="Passes over the data, for --steps.")
@click.option("--lr", "learning_rate", type=click.FloatRange(min=0, min_open=True),
              help="Highest learning rate.")  # fmt: skip
@click.option("--keep", type=click.Choice(["last", "best"]), help="Which weights are the model.")
@click.option("--patience", type=click.IntRange(min=1),
              help="Stop after so many validations without a better one.")  # fmt: skip
@click.option(
    "--sweep", multiple=True, metavar="KEY=A,B,…", help="A run for each value, and a table; repeat."
)
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
    runs: Path,
    resume: str | None,
    start: str | None,
    name: str,
    sweep: tuple[str, ...],
    **given: Any,
) -> int:
    """Train a model for a TASK and watch it learn; without one, a language model.

    Without a FILE it learns from what every Python carries, in about a minute: a language model
    from the documentation topics. A part of the data is held out for evaluation. Ctrl-C saves and
    stops; --resume continues the run exactly. Every setting is an option, too: --layers 6.

    \b
    Examples
      chainrule train
      chainrule train book.txt --steps 5000
      chainrule train --layers 6 --width 192 --dropout 0.1
      chainrule train --patience 4 --keep best --name wide
      chainrule train --sweep lr=5e-4,1e-3,2e-3 --steps 300
      chainrule train --from last mine.txt --lr 2e-4
      chainrule train --resume last
      chainrule train | sed -n 's/^result: //p'    the result as JSON
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.train.interrupts import Interrupts

    task, files = _task_and_files(words)
    with Interrupts() as interrupts:
        if resume is not None:
            steps = given.pop("steps")
            _refuse_settings(words, given | {"from": start, "sweep": sweep, "name": name})
            return follow(_resumed(runs, resume, steps, interrupts), interrupts)
        given["data"] += files
        chosen = _Chosen(task, start, runs, given)
        if sweep:
            from chainrule.cli.sweep import run_all

            return run_all(chosen.configured, sweep, runs, name, interrupts)
        from chainrule.tasks.run import train_new

        return follow(train_new(*chosen.configured(), runs, interrupts, name), interrupts)


def _task_and_files(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The task, if the first word names one, and the files."""
    from chainrule.tasks.catalogue import TASKS, find_task
    from chainrule.train.config import STDIN

    task = words[0] if words and words[0] in TASKS else None
    files = words[1:] if task else words
    first = files[0] if files and task is None else STDIN
    if first != STDIN and not Path(first).exists() and not Path(first).suffix:
        find_task(first)  # raises: neither a file nor a task
    return task, files


@dataclass
class _Chosen:
    """What the command line says about a new run."""

    task: str | None
    start: str | None
    runs: Path
    given: dict[str, Any]

    def configured(self, more: tuple[str, ...] = ()) -> tuple[Task[Any], Settings]:
        """The task and its settings, with `more` assignments last."""
        from chainrule.tasks.catalogue import DEFAULT, find_task
        from chainrule.train.config import FILES, changes, read_toml

        given = {key: value for key, value in self.given.items() if key not in FILES}
        given |= {key: self.given[key] or None for key in FILES}
        path, assignments = given.pop("config"), given.pop("assignments")
        changed = changes([*assignments, *more], given)
        values = read_toml(path)
        named = values.pop("task", None)
        if self.start is not None:
            name, earlier = _earlier(self.start, self.runs)
            if "data" in changed:
                earlier.pop("dev", None)
            named, values = named or name, earlier | values
        name = self.task or named or DEFAULT
        if named not in {None, name}:
            raise ConfigError(f"{str(path or self.start)!r} is of the task {named!r}, not {name!r}")
        task = find_task(name)
        return task, task.settled(values, changed, path)


def _earlier(run: str, runs: Path) -> tuple[str, dict[str, Any]]:
    """The task and the settings of the run whose weights a new one starts with."""
    import msgspec

    from chainrule.tasks.run import configuration
    from chainrule.train.runs import find_run

    folder = find_run(run, runs)
    task, config = configuration(folder)
    return task.name, msgspec.structs.asdict(config) | {"start": str(folder.resolve())}


def _resumed(runs: Path, resume: str, steps: int | None, interrupts: Interrupts) -> Iterator[Event]:
    from chainrule.tasks.run import train_on
    from chainrule.train.runs import find_run

    return train_on(find_run(resume, runs), steps, interrupts)


def _refuse_settings(words: tuple[str, ...], given: dict[str, Any]) -> None:
    names = {"assignments": "--set", "learning_rate": "--lr"}
    changed = [names.get(name, f"--{name}") for name, value in given.items() if value]
    changed += list(words)
    if changed:
        raise click.UsageError(
            f"--resume goes on with the run's own settings, so {' and '.join(changed)} cannot "
            "go with it; only --steps can"
        )
