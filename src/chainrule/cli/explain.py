"""`chainrule explain`: a formula derived node by node.

    chainrule explain "log(sum(exp(W @ x + b)))" --at "W=[[1,2]] x=[1,2] b=[0]"

May import everything below.
"""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.formula_command import FormulaCommand


@click.command(cls=FormulaCommand, short_help="Derive the gradient of a FORMULA step by step.")
@click.argument("formula")
@click.option("--at", default="", metavar="VALUES", help='As in "W=[[1,2],[3,4]] x=[1,2]".')
@click.option("--json", "as_json", is_flag=True, help="Every node, value and contribution.")
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw the graph: values above the edges, gradients below.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a page: formulas as in a book, numbers in tables.",
)
def explain(formula: str, at: str, as_json: bool, svg: Path | None, html: Path | None) -> int:
    """Derive a FORMULA in four steps: forward, seed, backward, gradients.

    A result that is not one number is summed first. Formulas have numbers, names, + - * / ** @,
    comparisons, [ ], .T, the constants pi and e, and functions such as exp, log, tanh, relu, max,
    sum, norm, softmax, cross_entropy. It ends with 1 where a number overflows.

    \b
    Examples
      chainrule explain "x * sin(x)" --at "x=2"
      chainrule explain "log(sum(exp(W @ x + b)))" --at "W=[[1,2]] x=[1,2] b=[0]"
      chainrule explain "sum(sigmoid(W @ x))" --at "W=[[1,2]] x=[1,2]" --svg graph.svg
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.inspect.draw import Drawing
    from chainrule.inspect.explain import explain as derive
    from chainrule.tasks.check import scalar
    from chainrule.tasks.formula import arguments, values
    from chainrule.tasks.formula import formula as parse
    from chainrule.tasks.overflow import not_finite

    known = values(at) if at.strip() else {}
    asked = parse(formula, known)
    given = arguments(asked, known)
    found = derive(scalar(asked.fn), *given, names=asked.names, depth=None)
    for step in found.derivation.steps:
        step.source = None  # a formula is its own line
    if as_json:
        click.echo(found.to_json())
    else:
        found.show()
    if svg is not None:
        Drawing(found.derivation, None).save(svg)
        click.echo(f"drawn in {svg}", err=True)
    if html is not None:
        html.write_text(found.to_html(), encoding="utf-8")
        click.echo(f"written to {html}", err=True)
    said = not_finite(scalar(asked.fn), given)
    if said:
        click.echo(f"error: {said}", err=True)
    return 1 if said else 0
