"""A trace that also notes the layer of each node, and the nodes of the function itself.

A layer is found from the Python frames: every `forward` whose first argument is a module is a part
of the path, so models need no preparation and ordinary calls cost nothing. Example:

    trace = LayerTrace()
    capture(fn, args, {}, keep_grads=True, trace=trace)

Each node's `source.layer` is then like `blocks.3.mlp.up`, and `boxes` distinguishes the calls of
one module: `cell`, `cell[call 2]`. May import `nn` and what lies below it.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from types import FrameType
from typing import Any

from chainrule.base.source import Source
from chainrule.graph.node import Node
from chainrule.inspect.undo import Undo
from chainrule.nn.module import Module
from chainrule.tensor.handle import Handle
from chainrule.tensor.trace import Trace


class LayerTrace(Trace):
    """A trace with layers; `roots` are the outermost modules, in the order of their use."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Module] = []
        self.recorded: list[Node] = []  # by the function, in order, without gradients
        self.begun: int | None = None  # their number at the start of the first backward
        self.asked: Handle | None = None  # last one asked
        self.boxes: dict[Node, str] = {}  # of nodes in later calls of a module
        self._called: Counter[tuple[str, int]] = (
            Counter()
        )  # calls, by the box around and the module
        self._call: dict[int, int] = {}  # the number of each module's latest call
        self._names: dict[tuple[int, int], str] = {}
        self._undo = Undo()

    def requires_grad_of(self, handle: Handle) -> bool:
        """Also note the handle, as backward() asks this of its loss."""
        self.asked = handle
        return super().requires_grad_of(handle)

    def before_change(self, owner: Any) -> None:
        """Note an optimiser or a schedule before it steps."""
        self._undo.note(owner)

    def undo(self) -> None:
        """Restore optimisers, schedules and modules."""
        self._undo.restore()

    def note(self, node: Node) -> None:
        """Also keep the node in its order, and its box."""
        super().note(node)
        if self.begun is None and self.spent:
            self.begun = len(self.recorded)
        box = self._box(_modules())
        if box.endswith("]") or "]." in box:
            self.boxes[node] = box
        self.recorded.append(node)

    def enter(self, module: Module) -> None:
        """Number the calls of a module within the call of the module around it."""
        way = _modules()
        key = (self._box(way) if len(way) > 1 else "", id(module))
        self._called[key] += 1
        self._call[id(module)] = self._called[key]

    def _box(self, way: list[Module]) -> str:
        """The path of the innermost module, with the numbers of the calls."""
        if not way:
            return ""
        names = [self._name(outer, inner) for outer, inner in pairwise(way)]
        inside = zip(names, way[1:], strict=True) if names else [(type(way[0]).__name__, way[0])]
        calls = [(name, self._call.get(id(m), 1)) for name, m in inside]
        return ".".join(name if k == 1 else f"{name}[call {k}]" for name, k in calls)

    def where(self) -> Source | None:
        """The user's line and the path of its layer."""
        source, layer = super().where(), self._layer()
        if not layer:
            return source
        file, line = (source.file, source.line) if source else ("", 0)
        return Source(file, line, layer)

    def _layer(self) -> str:
        """The dotted path of the innermost module whose forward is running."""
        way = _modules()
        if not way:
            return ""
        root = way[0]
        if not any(root is known for known in self.roots):
            self.roots.append(root)
            for module in root.modules():
                self._undo.note(module)
        names = [self._name(outer, inner) for outer, inner in pairwise(way)]
        return ".".join(names) or type(root).__name__

    def _name(self, outer: Module, inner: Module) -> str:
        key = (id(outer), id(inner))
        if key not in self._names:
            found = (name for name, m in outer.named_modules() if m is inner)
            self._names[key] = next(found, type(inner).__name__)
        return self._names[key]

    def classes(self) -> dict[str, str]:
        """The class of each module of the used models, by its path; "" is a model."""
        return {
            path: type(module).__name__
            for root in reversed(self.roots)
            for path, module in root.named_modules()
        }

    def parameter_names(self) -> dict[int, str]:
        """The name of each parameter and buffer of the used models, by id.

        With several models, the class is part of the name.
        """
        found: dict[int, str] = {}
        for root in self.roots:
            prefix = "" if len(self.roots) == 1 else f"{type(root).__name__}."
            for name, tensor in (*root.named_parameters(), *root.named_buffers()):
                found.setdefault(id(tensor), prefix + name)
        return found


def _modules() -> list[Module]:
    """The modules whose `forward` is running on this thread, outermost first."""
    found: list[Module] = []
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to walk the stack
    while frame is not None:
        code = frame.f_code
        if code.co_name == "forward" and code.co_argcount:
            this = frame.f_locals.get(code.co_varnames[0])
            if isinstance(this, Module) and (not found or found[-1] is not this):
                found.append(this)
        frame = frame.f_back
    return found[::-1]
