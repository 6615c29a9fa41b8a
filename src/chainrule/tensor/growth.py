"""A graph that grows from step to step: a state that is carried over was not detached.

    h = rnn(x, h); loss(h).backward(retain_graph=True); opt.step()      # h = h.detach() is missing

Each backward pass then walks through all steps before it. Only passes that retain their graph are
looked at: others cannot walk a step again. Example: `note(len(order))`. Imports base only.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.base.source import Source, caller, warn
from chainrule.tensor import alive

_TIMES = 3  # the same growth in a row


class _Walk(NamedTuple):
    step: int
    nodes: int
    growth: int
    times: int  # so often in a row; -1 when it was said


_walks: dict[Source, _Walk] = {}


def note(nodes: int) -> None:
    """A backward pass that retains its graph has this many nodes."""
    place, step = caller(), alive.steps()
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
        warn(
            f"backward() walks {growth} nodes more with each step, {nodes} now\n"
            "  a state that is carried over is not detached, so that all steps are walked again\n"
            "  write h = h.detach() before the next step (of an LSTM, both tensors), and no "
            "retain_graph=True"
        )
        times = -1
    _walks[place] = _Walk(step, nodes, growth, times)
