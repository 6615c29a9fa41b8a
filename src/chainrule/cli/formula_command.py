"""A command whose argument is a formula, which may begin with a minus.

    chainrule check "-log(softmax(z)[1])" --at "z=[1,2]"

click reads a word that begins with a minus as an option; here only existing options are. May
import nothing of the package.
"""

from __future__ import annotations

import click


class FormulaCommand(click.Command):
    """A `click.Command` that takes an unknown `-…` as its argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `--` before a formula that begins with a minus, as nothing after it is an option."""
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        known = {name: not p.is_flag for p in options for name in (*p.opts, *p.secondary_opts)}
        rest: list[str] = []
        formulas: list[str] = []
        waiting = False  # for the value of an option
        for i, arg in enumerate(args):
            if arg == "--":
                rest += args[i:]
                break
            is_formula = arg[:1] == "-" and arg[:2] != "--" and len(arg) > 1 and arg not in known
            (formulas if is_formula and not waiting else rest).append(arg)
            waiting = not waiting and known.get(arg, False)
        return super().parse_args(ctx, [*rest, *(["--"] if formulas else []), *formulas])
