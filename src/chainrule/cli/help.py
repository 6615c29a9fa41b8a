"""`chainrule help`: an error's code explained, the differences from PyTorch, or a command.

    chainrule help CR101

May import everything below.
"""

from __future__ import annotations

import difflib

import click


@click.command(name="help", short_help="Explain an error code; list differences from PyTorch.")
@click.argument("topic", required=False)
@click.pass_context
def explain_topic(ctx: click.Context, topic: str | None) -> None:
    """Explain an error by its code, as in CR101; list the codes; show what differs from PyTorch.

    \b
    Examples
      chainrule help                  every code, with the error's name
      chainrule help CR101            what it means, and what to do
      chainrule help differences      what PyTorch has and chainrule has not, or does differently
      chainrule help train            the options of a command
    """  # noqa: D301 - click wants a real backspace before text it must not wrap
    from chainrule.base import errors as classes
    from chainrule.cli.pages import page, sections, without_links

    errors = sections()
    assert ctx.parent is not None
    group = ctx.parent.command
    assert isinstance(group, click.Group)
    if topic is None:
        for code, (name, _) in errors.items():
            summary = (getattr(classes, name).__doc__ or "").partition("\n")[0]
            click.echo(f"{code}  {name:<21} {summary}")
    elif topic.upper() in errors:
        name, text = errors[topic.upper()]
        click.echo(f"{topic.upper()} {name}\n\n{text}")
    elif topic == "differences":
        click.echo(without_links(page("differences")))
    elif topic in group.commands:
        command = group.commands[topic]
        with click.Context(command, info_name=topic, parent=ctx.parent) as inner:
            click.echo(command.get_help(inner))
    else:
        close = difflib.get_close_matches(topic, ["differences", *group.commands], 1)
        hint = f"did you mean {close[0]}?" if close else "chainrule help lists the codes"
        raise click.UsageError(f"there is no help on {topic!r}; {hint}")
