"""`chainrule`: the group of commands, and how errors become exit codes.

    >>> main(["train", "--steps", "100"])       # ends the process

Exit codes: 0 done · 1 the work could not be done · 2 the request was not understood · 130 and
143 stopped by Ctrl-C and SIGTERM. May import everything below.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from chainrule.base.errors import ChainruleError, ConfigError
from chainrule.base.settings import settings
from chainrule.cli.check import check, gradcheck
from chainrule.cli.env import env
from chainrule.cli.explain import explain
from chainrule.cli.generate import generate
from chainrule.cli.run import run
from chainrule.cli.show import show
from chainrule.cli.train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130
_EPILOG = """\b
Begin with
  chainrule train                 a language model learns Python's documentation
  chainrule train --data FILE     … or a text of yours
  chainrule generate last         and writes some
  chainrule run SCRIPT.py         a program written for PyTorch, unmodified
  chainrule explain "x * sin(x)" --at "x=2"      a gradient, derived step by step
  chainrule show                  what the compiler makes of a program, stage by stage
"""


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from chainrule.tasks.environment import version

        click.echo(f"chainrule {version()}")
        ctx.exit()


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
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


for _command in (train, generate, run, explain, check, gradcheck, show, env):
    group.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a sample may hold what a terminal cannot show
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = group.main(arguments, prog_name="chainrule", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except OSError as error:
        if settings().traceback:
            raise
        _abandon_output()
        if isinstance(error, BrokenPipeError):
            return 1  # the reader went away; there is nobody to tell
        what = f" {str(error.filename)!r}" if error.filename else ""
        return _refuse(f"the system refused{what}: {error.strerror or error}", 1)
    except MemoryError:
        return _refuse("not enough memory; make width, layers, batch or context smaller", 1)
    except ChainruleError as error:
        if settings().traceback:
            raise
        return _refuse(str(error), 2 if isinstance(error, ConfigError) else 1)
    return code if isinstance(code, int) else 0


def _abandon_output() -> None:
    """Python flushes standard output once more at its end, and would complain about it again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(sentence: str, code: int) -> int:
    click.echo(f"error: {sentence}", err=True)
    return code
