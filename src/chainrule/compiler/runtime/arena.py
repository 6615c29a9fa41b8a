"""One block of memory for all intermediates of a plan: who lies where, and a proof that it fits.

`plan_arena` places buffers whose lifetimes do not overlap on top of each other. `aligned_empty`
makes the block. May import base. Example:

    lives = [Lifetime(4000, 0, 2), Lifetime(8000, 1, 1), Lifetime(4000, 3, 5)]
    offsets, total = plan_arena(lives)          # the first and the last share their place
    block = aligned_empty(total)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.base.errors import VerifyError

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Lifetime(NamedTuple):
    """A buffer of `size` bytes, in use from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


def plan_arena(buffers: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Offsets, multiples of 64, and the block's size in bytes.

    Greedy by size: the largest buffer first, each at the lowest offset that is free during its
    whole life. Buffers of no bytes get offset 0. (Pisarchyk & Lee, "Efficient memory management
    for deep neural net inference", 2020.)
    """
    sizes = [-(-buffer.size // ALIGNMENT) * ALIGNMENT for buffer in buffers]
    order = sorted(filter(sizes.__getitem__, range(len(sizes))), key=lambda i: (-sizes[i], i))
    offsets = [0] * len(buffers)
    placed = np.zeros((4, len(buffers)), np.int64)  # offset, end, first, last; by offset
    total = 0
    for count, i in enumerate(order):
        size, (_, first, last) = sizes[i], buffers[i]
        here = placed[:, :count]
        start, end = here[:2, (here[2] <= last) & (here[3] >= first)]
        at = offsets[i] = _lowest_gap(start, end, size)
        total = max(total, at + size)
        index = int(np.searchsorted(here[0], at))
        placed[:, index + 1 : count + 1] = placed[:, index:count].copy()
        placed[:, index] = at, at + size, first, last
    return offsets, total


def _lowest_gap(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], size: int) -> int:
    """Lowest offset with `size` free bytes among blocks that are sorted by their starts."""
    if not starts.size:
        return 0
    reached = np.maximum.accumulate(ends)
    if starts[0] >= size:
        return 0
    fits = starts[1:] - reached[:-1] >= size
    gap = int(fits.argmax()) if fits.size else 0
    return int(reached[gap] if fits.size and fits[gap] else reached[-1])


def check_arena(buffers: Sequence[Lifetime], offsets: Sequence[int], total: int) -> float:
    """Prove that no two buffers in use at the same time overlap; the total over its lower bound.

    The lower bound is the most bytes in use at any step; 1.0 is a perfect plan. Raises VerifyError
    for an overlap, a misaligned offset, or a buffer that leaves the block.
    """
    for i, (buffer, offset) in enumerate(zip(buffers, offsets, strict=True)):
        if buffer.last < buffer.first or buffer.size < 0:
            raise VerifyError(f"buffer {i} has no life: {buffer}")
        if offset < 0 or offset % ALIGNMENT or offset + buffer.size > total:
            raise VerifyError(
                f"buffer {i} at {offset} does not lie in a block of {total}: {buffer}"
            )
    events = []  # (step, 0 for an end after the step before, 1 for a begin, buffer)
    for i, buffer in enumerate(buffers):
        if buffer.size:
            events += [(buffer.first, 1, i), (buffer.last + 1, 0, i)]
    live: list[tuple[int, int]] = []  # (offset, buffer) of those in use: disjoint, in order
    used = most = 0
    for _, begins, i in sorted(events):
        start, end = offsets[i], offsets[i] + buffers[i].size
        index = bisect_left(live, (start, i))
        if not begins:
            del live[index]
            used -= buffers[i].size
            continue
        for _, j in live[max(index - 1, 0) : index + 1]:  # its neighbours
            if start < offsets[j] + buffers[j].size and offsets[j] < end:
                raise VerifyError(
                    f"{i} at {start} {buffers[i]} overlaps {j} at {offsets[j]} {buffers[j]}"
                )
        live.insert(index, (start, i))
        used += buffers[i].size
        most = max(most, used)
    return total / most if most else 1.0


def aligned_empty(nbytes: int) -> npt.NDArray[np.uint8]:
    """`nbytes` bytes of uninitialised memory that begin on a 64-byte boundary."""
    block = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + nbytes]
