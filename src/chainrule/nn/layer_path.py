"""The place of an error in a model: the path of attribute names, below the message.

Read from the module calls of the traceback when an error is shown, outermost first.
Example: `in layer blocks.3.mlp.up (Linear) of GPT`. May import `base`.
"""

from __future__ import annotations

from itertools import pairwise
from types import CodeType
from typing import TYPE_CHECKING

from chainrule.base.errors import ChainruleError
from chainrule.base.frames import entries

if TYPE_CHECKING:
    from chainrule.nn.module import Module


def watch_calls(call: CodeType) -> None:
    """Add the layer to errors; `call` is the code that runs a module."""

    def testimony(error: ChainruleError) -> list[str]:
        frames = [each.tb_frame for each in entries(error.__traceback__)]
        way = [frame.f_locals["self"] for frame in frames if frame.f_code is call]
        return [_describe(way)] if way else []

    ChainruleError.witnesses["layers"] = testimony


def _describe(way: list[Module]) -> str:
    """From the outermost module to the innermost."""
    names = [_name(outer, inner) for outer, inner in pairwise(way)]
    title = type(way[-1]).__name__
    if not names:
        return f"in layer {title}"
    return f"in layer {'.'.join(names)} ({title}) of {type(way[0]).__name__}"


def _name(outer: Module, inner: Module) -> str:
    """The dotted name by which `outer` knows `inner` (containers may stand between)."""
    for name, module in outer.named_modules():
        if module is inner:
            return name
    return f"<{type(inner).__name__}>"
