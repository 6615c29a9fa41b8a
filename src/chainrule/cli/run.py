"""`chainrule run`: a program written for PyTorch, unmodified.

    chainrule run train.py --epochs 3
    chainrule run -m package.train --epochs 3

May import everything below.
"""

from __future__ import annotations

import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module: package.train")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(module: bool, script: str, arguments: tuple[str, ...]) -> int:
    """Run a SCRIPT that imports torch: chainrule takes PyTorch's place.

    \b
    Examples
      chainrule run train.py --epochs 3
      chainrule run -m package.train --epochs 3

    Nothing is changed in the script, and PyTorch need not be installed.
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.script import check_script, own_traceback, run_script

    check_script(script, module=module)
    try:
        run_script(script, arguments, module=module)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - every error of the script is shown
        trace = own_traceback(error)  # the hook hides our other frames
        sys.stdout.flush()
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 1
    return 0
