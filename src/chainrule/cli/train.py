"""`chainrule train`: options in, events shown.

    chainrule train --data book.txt --steps 5000 --set width=192

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
    """A command whose help ends with a list of the settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every key of --set and --config, with its default."""
        from chainrule.train.config import settings

        with formatter.section("Settings for --set and --config"):
            formatter.write_dl(
                [(f"{name}={json.dumps(default)}", text) for name, default, text in settings()]
            )
        super().format_epilog(ctx, formatter)


@click.command(cls=_WithSettings)
@click.option(
    "--data", metavar="FILE", help="UTF-8 text to learn; default: Python's documentation."
)
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
    runs: Path,
    resume: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    steps: int | None,
    **given: Any,
) -> int:
    """Train a character Transformer and watch it learn.

    Without options it learns the documentation topics of this Python, in about a minute. A tenth
    of the text is held out for evaluation. Ctrl-C saves and stops; --resume continues the run
    exactly.

    \b
    Examples
      chainrule train
      chainrule train --data book.txt --steps 5000
      chainrule train --set layers=6 --set width=192 --set dropout=0.1
      chainrule train --resume last
      chainrule train | tail -n 1          the result as JSON
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.train.interrupts import Interrupts

    with Interrupts() as interrupts:
        if resume is None:
            events = _new(runs, config, assignments, interrupts, steps=steps, **given)
        else:
            _refuse_settings(config, assignments, given)
            events = _resumed(runs, resume, steps, interrupts)
        # The run must close its files even if an event cannot be shown.
        with contextlib.closing(events):  # type: ignore[type-var]
            return _follow(events, _listener(), interrupts)


def _new(
    runs: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    interrupts: Interrupts,
    **given: Any,
) -> Iterator[Event]:
    from chainrule.tasks.language_model import train_new
    from chainrule.train.config import configure

    return train_new(configure(config, assignments, **given), runs, interrupts)


def _resumed(runs: Path, resume: str, steps: int | None, interrupts: Interrupts) -> Iterator[Event]:
    from chainrule.tasks.language_model import train_on
    from chainrule.train.runs import find_run

    return train_on(find_run(resume, runs), steps, interrupts)


def _refuse_settings(
    config: Path | None, assignments: tuple[str, ...], given: dict[str, Any]
) -> None:
    changed = [f"--{name}" for name, value in given.items() if value is not None]
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
