"""`chainrule runs` and `chainrule compare`: lists of runs, and how they differ.

    chainrule runs
    chainrule runs rename 7 wide
    chainrule compare 7 8

May import everything below.
"""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.columns import columns
from chainrule.cli.runs_option import runs_option


@click.group(
    "runs",
    invoke_without_command=True,
    short_help="List runs; rename or delete some.",
)
@runs_option
@click.pass_context
def runs_group(ctx: click.Context, runs: Path) -> None:
    """List the runs: task, model, state and scores on held-out data.

    \b
    Examples
      chainrule runs
      chainrule runs rename 7 wide
      chainrule runs delete 3 4 5
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    ctx.obj = runs
    if ctx.invoked_subcommand is not None:
        return
    from chainrule.tasks.run_list import summaries

    rows = [
        [
            each.name,
            each.task,
            each.model,
            each.state,
            "  ".join(f"{name} {value:.4f}" for name, value in each.scores.items()),
        ]
        for each in summaries(runs)
    ]
    if rows:
        click.echo(columns(["run", "task", "model", "state", "held out"], rows))
    else:
        click.echo(f"there are no runs in {str(runs)!r}; begin one with chainrule train")


@runs_group.command()
@click.argument("run")
@click.argument("name")
@click.pass_obj
def rename(root: Path, run: str, name: str) -> None:
    """Give RUN another NAME."""
    from chainrule.train.runs import find_run, rename_run

    renamed = rename_run(find_run(run, root).resolve(), name)
    click.echo(f"{renamed.name}: {renamed}")


@runs_group.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(root: Path, names: tuple[str, ...], *, yes: bool) -> None:
    """Delete runs, with all their files."""
    from chainrule.train.runs import delete_run, find_run

    folders = list(dict.fromkeys(find_run(name, root).resolve() for name in names))
    listed = ", ".join(folder.name for folder in folders)
    if not yes:
        click.confirm(f"Delete {listed} with all files?", abort=True)
    for folder in folders:
        delete_run(folder)
    click.echo(f"deleted {listed}")


@click.command(short_help="Compare RUNs: differing settings, then scores.")
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN...")
@runs_option
def compare(names: tuple[str, ...], runs: Path) -> None:
    """Compare runs: the settings in which they differ, then their figures side by side.

    \b
    Examples
      chainrule compare 7 8
      chainrule compare wide narrow last
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.tasks.run_list import differing_settings, outcomes
    from chainrule.train.runs import find_run

    if len(names) < 2:
        raise click.UsageError("name at least two runs; chainrule runs lists them")
    folders = [find_run(name, runs) for name in names]
    settings = differing_settings(folders)
    heads = [folder.resolve().name for folder in folders]
    if settings:
        click.echo(columns(["setting", *heads], [[name, *values] for name, values in settings]))
    else:
        click.echo("equal settings")
    click.echo()
    figures = outcomes(folders)
    click.echo(columns(["result", *heads], [[name, *values] for name, values in figures]))
