"""`chainrule show`: a program at every stage of the compiler.

    chainrule show --model softmax --stage kernels
    chainrule show model.py:step --stage all

May import everything below.
"""

from __future__ import annotations

import click

_SUMMARY = ("trace", "groups", "plan")


@click.command(short_help="Show what the compiler makes of a program.")
@click.argument("function", required=False, metavar="[FILE.py:FUNCTION]")
@click.option(
    "--model",
    type=click.Choice(["mlp", "softmax", "layer_norm", "attention"]),
    help="A built-in example instead of a function of yours; default: mlp.",
)
@click.option(
    "--stage",
    metavar="NAME",
    help="One stage: trace, a pass, groups, plan, kernels, llvm, assembly; or 'all'.",
)
def show(function: str | None, model: str | None, stage: str | None) -> None:
    """Show what the compiler makes of a program, from the traced graph to machine code.

    FUNCTION is traced with the arguments that its parameters have as defaults; nothing is run.

    \b
    Examples
      chainrule show
      chainrule show --model attention --stage plan
      chainrule show train.py:step --stage assembly
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.show import EXAMPLES, find_function, show_stages

    if function is not None and model is not None:
        raise click.UsageError("give FILE.py:FUNCTION or --model, not both")
    found = find_function(function) if function is not None else EXAMPLES[model or "mlp"]()
    wants_all = stage in {"assembly", "all"}
    texts = show_stages(found, assembly=wants_all, sources=function is not None)
    if stage is None:
        _overview(texts)
    elif stage == "all":
        _print(texts, list(texts))
    else:
        click.echo(_one(texts, stage))


def _one(texts: dict[str, str], stage: str) -> str:
    from chainrule.tasks.show import suggest

    if stage not in texts:
        raise click.UsageError(f"there is no stage {stage!r}{suggest(stage, texts)}")
    return texts[stage]


def _print(texts: dict[str, str], names: list[str]) -> None:
    for name in names:
        click.echo(f"── {name} " + "─" * max(1, 76 - len(name)))
        click.echo(texts[name] + "\n")


def _overview(texts: dict[str, str]) -> None:
    """The stages with their sizes, then the text of the most useful ones."""
    before = None
    for name, text in texts.items():
        size = "unchanged" if text == before else f"{len(text.splitlines())} lines"
        click.echo(f"{name:22s} {size}")
        before = text
    click.echo("assembly               with --stage assembly\n")
    _print(texts, [name for name in _SUMMARY if name in texts])
