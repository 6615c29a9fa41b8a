"""Detection of graphs that grow from step to step: states not detached, losses summed up.

    h = rnn(x, h); loss(h).backward(retain_graph=True); opt.step()      # h = h.detach() is missing
    loss.backward(); opt.step(); total += loss                          # total += loss.item()

In the first, each backward pass walks all earlier steps; only a pass that retains its graph can. In
the second, the sum keeps alive the graph that each backward pass has used: the roots of passes are
held by weak references and checked every 32 passes.
Example: `note_walk(len(order))`, `note_end(root)`. May import `graph`.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple
from weakref import ref

from chainrule.base.source import Source, caller, warn
from chainrule.graph.node import Node
from chainrule.graph.walk import topological
from chainrule.tensor.alive import Steps

_TIMES = 3  # equal growths in a row
_PASSES = 32  # losses whose graphs are all alive


class _Walk(NamedTuple):
    step: int
    nodes: int
    growth: int
    times: int  # equal growths in a row; -1 after the warning


class _Ends:
    """The roots of the newest passes, the time of the next check, and the lines already named."""

    def __init__(self) -> None:
        self.newest: deque[tuple[ref[Node], ...]] = deque(maxlen=_PASSES)
        self.due = _PASSES  # passes until the next check
        self.wait = _PASSES  # doubled by each search without a finding, as a search is slow
        self.named: set[Source | None] = set()


said: list[str] = []  # one line for each growth; a flight recorder reads them
_walks: dict[Source, _Walk] = {}
_ends = _Ends()


def note_walk(nodes: int) -> None:
    """Note the number of nodes of a backward pass that retains its graph."""
    place, step = caller(), Steps.taken
    if place is None:
        return
    before = _walks.get(place)
    if before is None:
        _walks[place] = _Walk(step, nodes, 0, 0)
        return
    if before.times < 0:
        return
    growth = nodes - before.nodes
    if growth <= 0 or before.step == step:  # several passes of one step may differ
        times = 0
    else:
        times = before.times + 1 if growth == before.growth else 1
    if times == _TIMES:
        _say(
            f"backward() walks {growth} more nodes at each step, {nodes} now",
            "a carried state is not detached, so each backward() walks all earlier steps again\n"
            "  write h = h.detach() before the next step (for an LSTM, of both tensors), without "
            "retain_graph=True",
        )
        times = -1
    _walks[place] = _Walk(step, nodes, growth, times)


def note_end(root: Node) -> None:
    """Note the root of a backward pass that released its graph, which nothing should need now."""
    _ends.newest.append((ref(root), *[ref(n) for n in root.inputs if _is_loss(n)]))
    _ends.due -= 1
    if _ends.due > 0:
        return
    _ends.due = _PASSES
    if not all(any(end() is not None for end in ends) for ends in _ends.newest):
        return
    _ends.due = _ends.wait = 2 * _ends.wait
    line = _read_at(_ends.newest[0])
    if line is not None and line not in _ends.named and _read_at(_ends.newest[-2]) == line:
        _ends.named.add(line)
        _ends.wait = _PASSES
        _say(
            f"the graphs of the last {_PASSES} losses are all kept alive, by {line.quoted}",
            "the sum is recorded, so it keeps the losses' graphs after backward() has used them\n"
            "  write total += loss.item(), or loss.detach()",
        )


def _is_loss(node: Node) -> bool:
    """Whether a node may be a loss that was scaled before backward(), as in `(loss / 4)`."""
    return bool(node.inputs) and getattr(node.type, "size", 0) == 1


def _read_at(ends: tuple[ref[Node], ...]) -> Source | None:
    """The line that computed with the root of a finished pass, if there is one."""
    nodes = [node for end in ends if (node := end()) is not None]
    walked = set(topological(nodes))
    readers = (reader for node in nodes for reader in _readers(node) if reader not in walked)
    return next((reader.source for reader in readers), None)


def _readers(node: Node) -> Iterator[Node]:
    """The nodes that read `node`."""
    for inputs in gc.get_referrers(node):
        if type(inputs) is tuple:
            for reader in gc.get_referrers(inputs):
                if isinstance(reader, Node) and reader.inputs is inputs:
                    yield reader


def _say(what: str, why: str) -> None:
    said.append(what)
    warn(f"{what}\n  {why}")
