"""`chainrule env`: the facts a bug report needs.

    chainrule env

May import everything below.
"""

from __future__ import annotations

import click


@click.command(short_help="Show versions, CPU, threads and cache.")
def env() -> None:
    """Show versions, CPU, threads and cache: paste it into a bug report."""
    from chainrule.tasks.environment import describe_environment

    facts = describe_environment()
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name:<{width}}  {value}")
