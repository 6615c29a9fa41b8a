"""The path of a layer in its model, in errors and while it is tracked. May import `base`.

    in layer blocks.3.mlp.up (Linear) of GPT      # below an error's message
    GPT.blocks.3.mlp.up                           # `layer_in(outer, module).path`

In errors it is read from the module calls of the traceback, outermost first. While a trace is open,
`modes.layer` is the layer that runs; a profile has its own.
"""

from __future__ import annotations

import weakref
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


class Layer:
    """A module where it is called: `path` begins with the class of the outermost module."""

    __slots__ = ("inner", "kind", "module", "path")

    def __init__(self, path: str, module: Module) -> None:
        self.path, self.kind = path, type(module).__name__
        self.module = weakref.ref(module)
        self.inner: dict[int, Layer] = {}  # by the id of the module


_outermost: weakref.WeakKeyDictionary[Module, Layer] = weakref.WeakKeyDictionary()


def layer_in(outer: Layer | None, module: Module) -> Layer:
    """The layer of `module`, called inside `outer`; its name is looked up once."""
    around = None if outer is None else outer.module()
    if outer is None or around is None:
        found = _outermost.get(module)
        if found is None:
            found = _outermost[module] = Layer(type(module).__name__, module)
        return found
    known = outer.inner.get(id(module))
    if known is None or known.module() is not module:
        path = outer.path if around is module else f"{outer.path}.{name_in(around, module)}"
        known = outer.inner[id(module)] = Layer(path, module)
    return known


def _describe(way: list[Module]) -> str:
    """From the outermost module to the innermost."""
    names = [name_in(outer, inner) for outer, inner in pairwise(way)]
    title = type(way[-1]).__name__
    if not names:
        return f"in layer {title}"
    return f"in layer {'.'.join(names)} ({title}) of {type(way[0]).__name__}"


def name_in(outer: Module, inner: Module) -> str:
    """The dotted name by which `outer` knows `inner` (containers may stand between)."""
    for name, module in outer.named_modules():
        if module is inner:
            return name
    return f"<{type(inner).__name__}>"
