"""A loop that one task runs from end to end, for its block of rows: no barriers.

A launch of `run_blocks()` has a task for each block. Its first argument slot holds the address of
a table that says what a block does; the slots behind it are those of the loop's kernels. A block
works on a copy of them. May import this folder's modules. Example:

    table, scratch = block_table(6, 35, [(gemm, 0, 4), (gates, 3, 1)], spreads, advances)
    Launch(run_blocks(), slots, tasks=4, barrier=True)         # slot `slots` is table.ctypes.data
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from chainrule.compiler.runtime.arena import ALIGNMENT
from chainrule.compiler.runtime.native import engine

_SYMBOL = "chainrule_blocks"
Pairs = Sequence[tuple[int, int]]


def block_table(
    slots: int,
    trips: int,
    launches: Sequence[tuple[int, int, int]],
    spreads: Pairs,
    advances: Pairs,
) -> tuple[npt.NDArray[np.int64], int]:
    """The table, and the bytes of scratch that a block needs besides its kernels' own.

    `launches` are (address, first slot, tasks). For each (slot, bytes) of `spreads` block i begins
    i times as many bytes further, of `advances` each trip is as many bytes further.
    """
    own = -(-8 * slots // ALIGNMENT) * ALIGNMENT
    head = [slots, own, trips, len(launches), len(spreads), len(advances)]
    body = [word for entry in (*launches, *spreads, *advances) for word in entry]
    return np.array([*head, *body], np.int64), own


@functools.cache
def run_blocks() -> int:
    """Address of the function that runs blocks; it is called as a kernel is."""
    text = (files(__package__) / "blocks.ll").read_text(encoding="utf-8")
    return engine().load({_SYMBOL: text})[_SYMBOL]
