"""Derivatives of functions that read their own values, from calls at x ± h.

    if x.sum() > 0: …          scale = x.max().item()

A recorded graph has one path through such a function, and the values read as constants; so its
finite differences cannot show what the gradient misses. Here the function itself runs at each
point, and where it takes another path – other ops, other decisions – there is a kink. May import
`inspect.numeric`, `inspect.recording`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Node
from chainrule.inspect.kinks import Decisions, decides, decisions, same
from chainrule.inspect.numeric import Probe
from chainrule.inspect.recording import run_with_values
from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]


class Rerun(Probe):
    """The function f(x + h·v) of one number, in one of the tensors that it reads."""

    def __init__(
        self, fn: Callable[..., Any], args: Sequence[Any], wiggled: Handle, start: Array
    ) -> None:
        """`start` is the tensor's value in float64."""
        self._fn, self._args, self._handle = fn, args, wiggled
        self.eps = float(np.finfo(wiggled.dtype.numpy).eps)
        self._complex = False
        self.connected = True
        self.wiggled = object()  # type: ignore[assignment]
        self.env = {self.wiggled: start}
        self._way = self._at(start)[1]

    def _at(self, x: Array) -> tuple[float, tuple[list[str], list[Decisions]]]:
        """The function's value, and its path."""
        run = run_with_values(self._fn, self._args, {id(self._handle): x})
        values: Mapping[Node, Any] = run.trace.values  # type: ignore[attr-defined]
        nodes = run.trace.recorded
        chosen = [
            decisions(n, [values[c] for c in n.inputs])
            for n in nodes
            if all(c in values for c in n.inputs) and decides(n)
        ]
        return float(np.sum(values[run.results[0]])), ([n.op.name for n in nodes], chosen)

    def _central(self, direction: Array, h: float) -> tuple[float, float] | None:
        start = self.env[self.wiggled]
        found = []
        for side in (h, -h):
            value, (names, chosen) = self._at(start + side * direction)
            if names != self._way[0] or not all(map(same, self._way[1], chosen)):
                return None
            found.append(value)
        return (found[0] - found[1]) / (2 * h), max(map(abs, found))
