"""`chainrule`: the group of commands, and how errors become exit codes.

Example: `main(["train", "--steps", "100"])` trains and ends the process.
Exit codes: 0 done · 1 the work could not be done · 2 the request was not understood · 130 and
143 stopped by Ctrl-C and SIGTERM. May import everything below.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
from typing import TYPE_CHECKING

import click

from chainrule.base.early import INTERRUPTED, leave_at_interrupt, raise_at_interrupt
from chainrule.base.errors import ChainruleError, ConfigError
from chainrule.base.settings import settings
from chainrule.cli.check import check, gradcheck
from chainrule.cli.env import env
from chainrule.cli.explain import explain
from chainrule.cli.generate import generate
from chainrule.cli.help import explain_topic
from chainrule.cli.predict import evaluate, predict
from chainrule.cli.run import run
from chainrule.cli.runs_commands import compare, runs_group
from chainrule.cli.show import show
from chainrule.cli.streams import abandon_output, open_missing, tell
from chainrule.cli.train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\b
Begin with
  chainrule train                 a language model learns Python's documentation
  chainrule train --data FILE     … or a text of yours
  chainrule generate last         and writes some
  chainrule train classify        another task; chainrule train --help lists them
  chainrule predict last FILE     what it learnt, used line by line
  chainrule run SCRIPT.py         a program written for PyTorch, unmodified
  chainrule explain "x * sin(x)" --at "x=2"      a gradient, derived step by step
  chainrule show                  what the compiler makes of a program, stage by stage
  chainrule help CR101            what an error means, and what to do
"""


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from chainrule.tasks.environment import version

        click.echo(f"chainrule {version()}")
        ctx.exit()


_ELSEWHERE = {  # what other programs call our commands
    "eval": "evaluate", "test": "evaluate", "score": "evaluate", "infer": "predict",
    "apply": "predict", "sample": "generate", "write": "generate", "list": "runs", "ls": "runs",
    "rename": "runs rename", "delete": "runs delete", "rm": "runs delete", "diff": "compare",
    "finetune": "train --from", "fine-tune": "train --from", "resume": "train --resume",
    "sweep": "train --sweep", "new": "train", "fit": "train",
}  # fmt: skip


class _Group(click.Group):
    """Commands; an unknown one is answered with the likely one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names."""
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            close = difflib.get_close_matches(word, self.commands, 1)
            meant = _ELSEWHERE.get(word) or (close[0] if close else None)
            hint = f"did you mean chainrule {meant}?" if meant else "chainrule --help lists them"
            raise click.UsageError(f"there is no command {word!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def group() -> None:
    """Computation graphs you can see through, trained at machine speed."""


for _command in (
    train, predict, evaluate, generate, runs_group, compare,
    run, explain, check, gradcheck, show, env, explain_topic,
):  # fmt: skip
    group.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    raise_at_interrupt()
    try:
        code = _run(arguments)
    except KeyboardInterrupt:  # during the last message
        code = INTERRUPTED
    leave_at_interrupt()
    if code == INTERRUPTED:
        # Under `python -m`, CPython ends by the signal instead of with the code if Ctrl-C ended the
        # last text given to exec(), such as a script: now this is the last one.
        exec("")  # noqa: S102
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    if not open_missing():
        return _refuse("standard output is closed: there is nowhere to write", 2)
    shows_all = False
    try:
        shows_all = settings().traceback
        code = group.main(arguments, prog_name="chainrule", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        tell("\n".join(["interrupted", *_notes(error)]))
        return INTERRUPTED
    except OSError as error:
        if shows_all:
            raise
        abandon_output()
        if isinstance(error, BrokenPipeError):
            return 1  # the reader of the output is gone
        what = f" {str(error.filename)!r}" if error.filename else ""
        sentence = f"the system refused{what}: {error.strerror or error}"
        return _refuse(sentence, 1, error)
    except MemoryError as error:
        sentence = "not enough memory; make width, layers, batch or context smaller"
        return _refuse(sentence, 1, error)
    except ChainruleError as error:
        if shows_all:
            raise
        return _refuse(str(error), 2 if isinstance(error, ConfigError) else 1, error)
    return code if isinstance(code, int) else 0


def _refuse(sentence: str, code: int, error: BaseException | None = None) -> int:
    tell("\n".join([f"error: {sentence}", *_notes(error)]))
    return code


def _notes(error: BaseException | None) -> list[str]:
    """The notes added to an error on its way here, without the error's own."""
    if isinstance(error, ChainruleError):
        return error.added_notes
    return list(getattr(error, "__notes__", ()))
