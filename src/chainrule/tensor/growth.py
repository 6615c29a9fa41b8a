"""Graphs that grow from step to step: states that are not detached, losses that are summed up.

    h = rnn(x, h); loss(h).backward(retain_graph=True); opt.step()      # h = h.detach() is missing
    loss.backward(); opt.step(); total += loss                          # total += loss.item()

In the first, each backward pass walks through all steps before it; only passes that retain their
graph can. In the second, what is computed with a loss keeps the graph that its backward pass has
used up: the ends of passes are followed by weak references, and looked at every 32 passes.
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

_TIMES = 3  # the same growth in a row
_PASSES = 32  # whose graphs are all kept


class _Walk(NamedTuple):
    step: int
    nodes: int
    growth: int
    times: int  # so often in a row; -1 when it was said


class _Ends:
    """The last nodes of the newest passes, when they are looked at, and which lines were named."""

    def __init__(self) -> None:
        self.newest: deque[tuple[ref[Node], ...]] = deque(maxlen=_PASSES)
        self.due = _PASSES  # passes until then
        self.wait = _PASSES  # doubled by each search that finds nothing, for it takes long
        self.named: set[Source | None] = set()


said: list[str] = []  # what grows, in one line each; a flight recorder reads it
_walks: dict[Source, _Walk] = {}
_ends = _Ends()


def note_walk(nodes: int) -> None:
    """A backward pass that retains its graph has this many nodes."""
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
    if growth <= 0 or before.step == step:  # several passes in one step may differ on purpose
        times = 0
    else:
        times = before.times + 1 if growth == before.growth else 1
    if times == _TIMES:
        _say(
            f"backward() walks {growth} nodes more with each step, {nodes} now",
            "a state that is carried over is not detached, so that all steps are walked again\n"
            "  write h = h.detach() before the next step (of an LSTM, both tensors), and no "
            "retain_graph=True",
        )
        times = -1
    _walks[place] = _Walk(step, nodes, growth, times)


def note_end(root: Node) -> None:
    """A backward pass from here has let go of its graph, so nothing needs the graph any more."""
    _ends.newest.append((ref(root), *(ref(n) for n in root.inputs if _is_loss(n))))
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
            f"the graphs of the last {_PASSES} losses are all kept, by {line.quoted}",
            "what is summed up there is recorded, after backward() has used the losses' graphs\n"
            "  write total += loss.item(), or loss.detach()",
        )


def _is_loss(node: Node) -> bool:
    """Whether a node may be a loss that was scaled before backward(), as in `(loss / 4)`."""
    return bool(node.inputs) and getattr(node.type, "size", 0) == 1


def _read_at(ends: tuple[ref[Node], ...]) -> Source | None:
    """The line that computed something with the end of a pass that is over, if one did."""
    nodes = [node for end in ends if (node := end()) is not None]
    walked = set(topological(nodes))
    readers = (reader for node in nodes for reader in _readers(node) if reader not in walked)
    return next((reader.source for reader in readers), None)


def _readers(node: Node) -> Iterator[Node]:
    """The nodes that read one."""
    for inputs in gc.get_referrers(node):
        if type(inputs) is tuple:
            for reader in gc.get_referrers(inputs):
                if isinstance(reader, Node) and reader.inputs is inputs:
                    yield reader


def _say(what: str, why: str) -> None:
    said.append(what)
    warn(f"{what}\n  {why}")
