"""`chainrule predict` and `chainrule evaluate`: a trained run, used and judged.

    chainrule predict last sentences.txt
    chainrule evaluate last --data test.tsv

May import everything below.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.base.errors import DataError
from chainrule.cli.columns import columns
from chainrule.cli.runs_option import runs_option

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDE = 60  # characters of a text in the table of mistakes


@click.command(short_help="Let a trained RUN predict, line by line.")
@click.argument("run", default="last")
@click.argument("file", default="-", metavar="[FILE]")
@runs_option
def predict(run: str, file: str, runs: Path) -> None:
    """Let a trained RUN predict: one line of output for each line of FILE, or of standard input.

    What a line is depends on the task: of `classify`, a text, and the output its label and the
    label's probability; of `tag`, a sentence; of `parse`, a sentence, and the output its tree in
    CoNLL-U; of `translate`, a text, and the output its translation; of `vectors`, a word, and the
    output the words nearest to it, or three words a b c, and the output the words d with a : b =
    c : d; of `language`, a text, and the output the mean loss of its characters or tokens, the
    surprise. Lines are read as they come, by some tasks a few dozen together.

    \b
    Examples
      chainrule predict last reviews.txt > labels.tsv
      echo "LATIN SMALL LETTER A" | chainrule predict
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.run import open_model
    from chainrule.train.runs import find_run

    _, _, job = open_model(find_run(run, runs))
    for line in job.predict(_lines(file)):
        click.echo(line)


@click.command(short_help="Score a trained RUN, and show its worst mistakes.")
@click.argument("run", default="last")
@click.argument("files", nargs=-1, metavar="[FILE]…")
@click.option(
    "--data", multiple=True, metavar="FILE", help="Data to score; default: what the run held out."
)
@click.option("--mistakes", type=click.IntRange(min=0), default=10, show_default=True,
              help="How many mistakes to show.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Scores and mistakes as one JSON object.")
@runs_option
def evaluate(
    run: str, files: tuple[str, ...], data: tuple[str, ...], mistakes: int, runs: Path, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Score a trained RUN on data of yours, or on what it held out, and show its worst mistakes.

    \b
    Examples
      chainrule evaluate
      chainrule evaluate 3 test.tsv --mistakes 50
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    import msgspec

    from chainrule.tasks.run import open_held_out
    from chainrule.train.runs import find_run

    _, _, job = open_held_out(find_run(run, runs), (*data, *files))
    scores = job.evaluate(lambda: False, whole=True) or {}
    worst = job.mistakes(mistakes) if mistakes else ()
    if as_json:
        found = {"data": job.source, "scores": dict(scores), "mistakes": list(worst)}
        click.echo(msgspec.json.encode(found).decode())
        return
    click.echo(f"data {job.source}")
    click.echo(columns(["score", ""], [[name, f"{value:.4f}"] for name, value in scores.items()]))
    if tables := job.tables():
        click.echo(f"\n{tables}")
    if worst:
        rows = [
            [m.where, *map(_short, (m.expected, m.predicted)), f"{m.loss:.2f}", _short(m.text)]
            for m in worst
        ]
        click.echo()
        click.echo(columns(["worst mistakes", "right", "predicted", "loss", "text"], rows))


def _short(text: str) -> str:
    """A text on one line, cut to fit a table."""
    line = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    return line if len(line) <= _WIDE else line[: _WIDE - 1] + "…"


def _lines(file: str) -> Iterator[str]:
    """The lines of a UTF-8 file or, for `-`, of standard input, as they come."""
    try:
        with (
            contextlib.nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")
        ) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{file}:{number}:{error.start + 1}: byte 0x{line[error.start]:02x} is not "
                        "UTF-8; convert the file first"
                    ) from None
                yield text.rstrip("\r\n")
    except FileNotFoundError:
        raise DataError(f"there is no file {file!r}") from None
    except IsADirectoryError:
        raise DataError(f"{file!r} is a folder; name one text file") from None
