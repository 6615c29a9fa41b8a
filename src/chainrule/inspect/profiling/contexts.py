"""The tree of calling contexts of a profiled program, with what was spent in each.

    train.py:40 → GPT → model.py:187 → GPT.h.0 → model.py:104

A context is a path of the user's lines and of the layers they call. Times are in nanoseconds. May
import base and `nn.layer_path`. Example: `root.below([(code, instruction)])`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.base.source import Location, Placed, Source, source_at
from chainrule.graph.node import Graph
from chainrule.nn.layer_path import Layer

Tally = list[int]  # nanoseconds, calls, bytes
Line = tuple[CodeType, int]  # a code, and an instruction of it


class Runs:
    """The runs of one compiled program in one context.

    `locations` are those of its batch's operations, if it is that of a batch.
    """

    __slots__ = ("calls", "locations", "ticks", "time")

    def __init__(self, groups: int, locations: Sequence[Location]) -> None:
        self.time = self.calls = 0
        self.locations = locations
        self.ticks: npt.NDArray[np.int64] = np.zeros(groups, np.int64)


class Late(NamedTuple):
    """Operations that run later than their line: recorded ones, and those of a backward pass.

    One that is a `graph` – a layer, or a gradient as a whole – is divided between its nodes.
    """

    location: Location
    op: str
    phase: Literal["forward", "backward"]
    tally: Tally
    graph: Graph | None = None

    @property
    def layer(self) -> str:
        """The layer that recorded them, if a profile ran then."""
        return self.location.layer if isinstance(self.location, Placed) else ""


class Context:
    """One calling context; see the module's docstring.

    `operations` are those evaluated here, by what computes them, `late` those of other lines that
    run here; `programs` are compiled ones. `python` is the time between, `compiling` that of
    tracing and compiling.
    """

    __slots__ = (
        "_location", "_source", "above", "at", "compiling", "inner", "late", "layer",
        "operations", "programs", "python", "within",
    )  # fmt: skip

    def __init__(self, above: Context | None, at: Line | Layer | None, layer: str) -> None:
        self.above, self.at, self.layer = above, at, layer
        # By the layer, or by the id of the code and the instruction: to hash a code takes long
        self.inner: dict[Layer | tuple[int, int], Context] = {}
        self.operations: dict[Callable[..., Any], Tally] = {}
        self.within: dict[Callable[..., Any], Tally] = {}  # operations of a user's own backward
        self.late: dict[tuple[int, int, str, str], Late] = {}  # by ids, op and phase
        self.programs: dict[tuple[Any, tuple[int, ...]], Runs] = {}  # by program and locations
        self.python = self.compiling = 0
        self._source: Source | None = None
        self._location: Placed | None = None

    def below(self, lines: Sequence[Line]) -> Context:
        """The context of lines that are called here, the innermost first."""
        context = self
        for code, at in reversed(lines):
            key = (id(code), at)
            found = context.inner.get(key)
            if found is None:
                found = context.inner[key] = Context(context, (code, at), self.layer)
            context = found
        return context

    def inside(self, layer: Layer) -> Context:
        """The context inside a layer that is called here."""
        found = self.inner.get(layer)
        if found is None:
            found = self.inner[layer] = Context(self, layer, layer.path)
        return found

    @property
    def location(self) -> Location:
        """The innermost line as a location that knows the layer."""
        if self._location is None:
            around: Context | None = self
            while around is not None and not isinstance(around.at, tuple):
                around = around.above
            if around is not None and isinstance(around.at, tuple):
                self._location = Placed.of(*around.at, self.layer)
        return self._location

    @property
    def source(self) -> Source | None:
        """The innermost line, with the layer; None outside of the program."""
        if self._source is None:
            self._source = source_at(self.location)
        return self._source

    def walk(self) -> Iterator[Context]:
        """This context and all below it."""
        pending = [self]
        while pending:
            found = pending.pop()
            yield found
            pending += found.inner.values()

    def path(self) -> list[Context]:
        """The contexts from the outermost on, without the root."""
        found: list[Context] = []
        at: Context | None = self
        while at is not None and at.at is not None:
            found.append(at)
            at = at.above
        return found[::-1]
