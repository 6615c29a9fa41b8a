"""Where in a model an error arose: the path of attribute names, written below the message.

While an error leaves one module after the other, each puts its name for the inner one in front.
Example: `in layer blocks.3.mlp.up (Linear) of GPT`. May import `base`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.base.errors import ChainruleError
    from chainrule.nn.module import Module

_MARK = "in layer "


def add_layer(error: ChainruleError, module: Module) -> None:
    """Note that `error` leaves `module`."""
    way: list[Module] = [*getattr(error, "_layers", ()), module]
    error._layers = way  # type: ignore[attr-defined]
    error.__notes__ = [n for n in getattr(error, "__notes__", ()) if not n.startswith(_MARK)]
    error.add_note(_describe(way))


def _describe(way: list[Module]) -> str:
    """From the innermost module to the outermost."""
    names = [_name(outer, inner) for inner, outer in pairwise(way)]
    title = type(way[0]).__name__
    if not names:
        return f"{_MARK}{title}"
    return f"{_MARK}{'.'.join(reversed(names))} ({title}) of {type(way[-1]).__name__}"


def _name(outer: Module, inner: Module) -> str:
    """The dotted name by which `outer` knows `inner` (containers may stand between)."""
    for name, module in outer.named_modules():
        if module is inner:
            return name
    return f"<{type(inner).__name__}>"
