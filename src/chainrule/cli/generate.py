"""`chainrule generate`: text from a trained run, character by character as it comes.

    chainrule generate last --prompt "The " --temperature 0.8 --top-k 20

May import everything below.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chainrule.cli.runs_option import runs_option

TEMPERATURE = 0.8


@click.command(short_help="Let a trained RUN write.")
@click.argument("run", default="last")
@click.option("--prompt", default="\n", help="What the text begins with; default: a new line.")
@click.option(
    "--length",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Characters to write; of a model of words or subwords, tokens.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=TEMPERATURE,
    show_default=True,
    help="0: always the likeliest character; 1: as often as the model believes.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Choose among the K likeliest only.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), metavar="P",
              help="Choose among the likeliest that have probability P together.")  # fmt: skip
@click.option("--repetition-penalty", type=click.FloatRange(0, min_open=True), default=1.0,
              show_default=True, help="Above 1: what was just written is less likely.")  # fmt: skip
@click.option(
    "--stop", multiple=True, metavar="TEXT", help="End before this text (\\n: a line end); repeat."
)
@click.option("--beam", type=click.IntRange(min=1), metavar="N",
              help="The likeliest text that a beam of N finds, instead of drawing.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="The same seed, the same text.")
@runs_option
def generate(
    run: str,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    repetition_penalty: float,
    stop: tuple[str, ...],
    beam: int | None,
    seed: int | None,
    runs: Path,
) -> None:
    """Let a trained RUN write: a folder, a number, or 'last' (the default).

    \b
    Examples
      chainrule generate
      chainrule generate 3 --prompt "The " --length 1000
      chainrule generate last --temperature 0.5 --top-k 10 --seed 1
      chainrule generate last --prompt "Q: " --top-p 0.9 --stop "\\n\\n"
      chainrule generate last --beam 5 --length 80
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.models.generation import Sampling
    from chainrule.tasks.language_model import continue_text
    from chainrule.train.runs import find_run

    drawn = {
        "--temperature": temperature != TEMPERATURE,
        "--top-k": top_k,
        "--top-p": top_p,
        "--repetition-penalty": repetition_penalty != 1,
    }
    if beam and any(drawn.values()):
        named = " and ".join(option for option, given in drawn.items() if given)
        raise click.UsageError(f"a beam draws nothing, so {named} cannot go with --beam")
    sampling = Sampling(temperature, top_k, top_p, repetition_penalty)
    stops = [text.replace("\\n", "\n").replace("\\t", "\t") for text in stop]
    pieces = continue_text(
        find_run(run, runs), prompt, length, sampling, seed, stop=stops, beam=beam or 0
    )
    click.echo(prompt.lstrip("\n"), nl=False)
    for piece in pieces:
        click.echo(piece, nl=False)
        sys.stdout.flush()
    click.echo()
