"""`chainrule generate`: text from a trained run, character by character as it comes.

    chainrule generate last --prompt "The " --temperature 0.8 --top-k 20

May import everything below.
"""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.runs_option import runs_option


@click.command(short_help="Let a trained RUN write.")
@click.argument("run", default="last")
@click.option("--prompt", default="\n", help="What the text begins with; default: a new line.")
@click.option("--length", type=click.IntRange(min=1), default=400, show_default=True)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.8,
    show_default=True,
    help="0: always the likeliest character; 1: as often as the model believes.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Choose among the K likeliest only.")
@click.option("--seed", type=click.IntRange(min=0), help="The same seed, the same text.")
@runs_option
def generate(
    run: str,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    seed: int | None,
    runs: Path,
) -> None:
    """Let a trained RUN write: a folder, a number, or 'last' (the default).

    \b
    Examples
      chainrule generate
      chainrule generate 3 --prompt "The " --length 1000
      chainrule generate last --temperature 0.5 --top-k 10 --seed 1
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.models.generation import Sampling
    from chainrule.tasks.language_model import continue_text
    from chainrule.train.runs import find_run

    pieces = continue_text(find_run(run, runs), prompt, length, Sampling(temperature, top_k), seed)
    click.echo(prompt.lstrip("\n"), nl=False)
    for piece in pieces:
        click.echo(piece, nl=False)
    click.echo()
