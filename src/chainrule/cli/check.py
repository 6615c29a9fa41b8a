"""`chainrule check` and `chainrule gradcheck`: verdicts on gradients, with an exit code.

    chainrule check "sum((W @ x) ** 2)" --at "W=[[1,2]] x=[1,2]" --claim "W=[[10,20]]"
    chainrule gradcheck last

May import everything below.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli.formula_command import FormulaCommand
from chainrule.cli.runs_option import runs_option

if TYPE_CHECKING:
    from chainrule.inspect.verdict import Report


@click.command(cls=FormulaCommand, short_help="Judge a hand-derived gradient of a FORMULA.")
@click.argument("formula")
@click.option("--at", required=True, metavar="VALUES", help='As in "W=[[1,2],[3,4]] x=[1,2]".')
@click.option(
    "--claim", metavar="GRADIENTS", help='What you derived, as in "W=[[10,20]]" or "x=2*x".'
)
@click.option(
    "--order",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Without --claim: 2 checks second derivatives too.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict on every entry, for graders.")
def check(formula: str, at: str, claim: str | None, order: int, as_json: bool) -> int:
    """Judge a hand-derived gradient of FORMULA; without a claim, chainrule's own.

    Ends with 0 if the gradient is right and 1 if it is not; a wrong one is diagnosed: transposed,
    a missing sum or use, a factor, a sign. A result that is not one number is summed first.

    \b
    Examples
      chainrule check "sum((W @ x) ** 2)" --at "W=[[1,2]] x=[1,2]" --claim "W=[[10,20]]"
      chainrule check "tanh(x) / x" --at "x=[1,2]" --order 2
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.check import check_claim, check_formula

    found = check_formula(formula, at, order) if claim is None else check_claim(formula, at, claim)
    return _say(found, as_json=as_json)


@click.command(short_help="Check a trained RUN's gradients by finite differences.")
@click.argument("run", default="last")
@click.option("--budget", type=click.IntRange(min=1), default=200, show_default=True,
              help="Entries that are checked one by one.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The verdict on every entry.")
@runs_option
def gradcheck(run: str, budget: int, as_json: bool, runs: Path) -> int:
    """Check the gradients of a trained RUN's model against finite differences.

    Every parameter is sampled, and every node's local rule is checked alone, in float64. Ends with
    0 if all agree and 1 if not; the guilty node is named.

    \b
    Examples
      chainrule gradcheck
      chainrule gradcheck 3 --budget 1000
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.check import check_run
    from chainrule.train.runs import find_run

    folder = find_run(run, runs)
    try:
        found = check_run(folder, budget, _tell if sys.stderr.isatty() else None)
    finally:
        _tell()
    return _say(found, as_json=as_json)


def _tell(name: str = "", number: int = 0, count: int = 0) -> None:
    """A progress line on a terminal, overwritten each time; without a name it is cleared."""
    if sys.stderr.isatty():
        line = f"{number + 1}/{count} {name}" if name else ""
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)


def _say(report: Report, *, as_json: bool) -> int:
    click.echo(json.dumps(report.as_record()) if as_json else str(report))
    return 0 if report else 1
