"""The `--runs` option of every command that finds a run. May import click only."""

from __future__ import annotations

from pathlib import Path

import click

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default="runs",
    show_default=True,
    metavar="FOLDER",
    help="Where runs are kept.",
)
