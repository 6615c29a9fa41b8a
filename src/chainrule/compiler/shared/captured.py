"""A traced computation: its graph, what its outputs are, and what must hold before they count.

Example: in `Captured(graph, results=1, replaces={1: 2})` output 1 is the new value of input 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.graph.node import Graph, Node


class Bound(NamedTuple):
    """Indices that must lie in low … limit - 1; `reader` is the node that uses them.

    With `finite` they tell whether values are finite: see `rewrite/finite.py`.
    """

    indices: Node
    limit: int
    reader: Node
    low: int = 0
    finite: bool = False


@dataclass(frozen=True, slots=True)
class Captured:
    """A traced computation.

    The first `results` outputs are returned to the caller; each other output is the new value of
    the input (outside state) that `replaces` names by position. The guard stops the call unless the
    outputs in `finite` are.
    """

    graph: Graph
    results: int
    replaces: Mapping[int, int]  # output position → input position
    finite: tuple[int, ...] = ()
    bounds: tuple[Bound, ...] = ()  # whose indices are the last outputs

    @property
    def own(self) -> int:
        """The number of outputs that are results or new state; checked indices follow them."""
        return len(self.graph.outputs) - len(self.bounds)

    @property
    def checks(self) -> list[Bound]:
        """The bounds with their indices as nodes of the graph as it is now."""
        indices = self.graph.outputs[self.own :]
        return [b._replace(indices=n) for b, n in zip(self.bounds, indices, strict=True)]
