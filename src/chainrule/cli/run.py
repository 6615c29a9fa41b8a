"""`chainrule run`: a program written for PyTorch, unmodified.

    chainrule run train.py --epochs 3
    chainrule run -m package.train --epochs 3

May import everything below.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click


@click.command(
    short_help="Run a SCRIPT that imports torch, without PyTorch.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module: package.train")
@click.option("--profile", is_flag=True, help="Show where time and memory go.")
@click.option(
    "--flame",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Profile, and write the flame graph here.  [default: SCRIPT.profile.html]",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Profile, and write a time line for ui.perfetto.dev or chrome://tracing.",
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    module: bool,
    profile: bool,
    flame: Path | None,
    trace: Path | None,
    script: str,
    arguments: tuple[str, ...],
) -> int:
    """Run a SCRIPT that imports torch: chainrule takes PyTorch's place.

    \b
    Examples
      chainrule run train.py --epochs 3
      chainrule run -m package.train --epochs 3
      chainrule run --profile train.py --epochs 1

    Nothing is changed in the script, and PyTorch need not be installed.

    With --profile the lines and layers that took longest are shown on standard error when the
    script ends, or is stopped by Ctrl-C; its output, its exit code and its results stay as they
    are. Options of this command stand before SCRIPT.
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.script import check_script, own_traceback, run_script

    check_script(script, module=module)
    measuring = _profiled(script, flame, trace) if profile or flame or trace else _NOTHING
    try:
        with measuring:
            run_script(script, arguments, module=module)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - every error of the script is shown
        shown = own_traceback(error)  # the hook hides our other frames
        sys.stdout.flush()
        sys.excepthook(type(error), error.with_traceback(shown), shown)
        return 1
    return 0


_NOTHING = contextlib.nullcontext()


def _profiled(
    script: str, flame: Path | None, trace: Path | None
) -> contextlib.AbstractContextManager[None]:
    from chainrule.cli.streams import tell
    from chainrule.tasks.profiled import check_writable, profiled

    page = flame or Path(f"{Path(script).stem}.profile.html")
    for path in filter(None, (page, trace)):
        check_writable(path)
    return profiled(script, page=page, trace=trace, tell=tell)
