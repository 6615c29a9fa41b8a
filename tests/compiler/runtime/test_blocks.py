"""The loop of a block: which kernels run, on which parts of the arrays, and on whose scratch."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.runtime.blocks import block_table, run_blocks
from chainrule.compiler.runtime.encoding import Status
from chainrule.compiler.runtime.program import Launch, Program
from tests.compiler.runtime.ir_kernels import load

BLOCKS, TRIPS, PART = 5, 4, 3
WORD = 8


@pytest.mark.parametrize("threads", [1, 2])
def test_each_block_goes_through_all_trips_on_its_own_part(threads):
    """`out[trip, block]` counts three elements, then the first two of `log[block]` are filled."""
    kernels = load("count", "fill")
    out = np.zeros((TRIPS, BLOCKS, PART), np.int64)
    log = np.zeros((BLOCKS, PART), np.int64)
    launches = [(kernels["count"], 0, PART), (kernels["fill"], 1, 2)]
    spreads = [(0, PART * WORD), (1, PART * WORD), (2, 100)]
    advances = [(0, BLOCKS * PART * WORD), (2, 1)]
    table, own = block_table(3, TRIPS, launches, spreads, advances)
    assert own == 64
    slots = np.array([table.ctypes.data, out.ctypes.data, log.ctypes.data, 7], np.int64)
    instructions = [Launch(run_blocks(), 0, BLOCKS, barrier=True)]
    program = Program(instructions, slots, scratch_bytes=own, threads=threads)
    for times in (1, 2):
        assert program.run() is Status.ok
        np.testing.assert_array_equal(out, times)
        last = 7 + 100 * np.arange(BLOCKS) + TRIPS - 1
        np.testing.assert_array_equal(log, np.stack([last, last, 0 * last], 1))
    np.testing.assert_array_equal(program.args, slots)


def test_kernels_of_a_block_have_scratch_behind_its_slots():
    words = 32
    out = np.zeros(BLOCKS, np.int64)
    table, own = block_table(2, 1, [(load("borrow")["borrow"], 0, 1)], [(0, WORD)], [])
    slots = np.array([table.ctypes.data, out.ctypes.data, words], np.int64)
    instructions = [Launch(run_blocks(), 0, BLOCKS, barrier=True)]
    program = Program(instructions, slots, scratch_bytes=own + words * WORD, threads=1)
    assert program.run() is Status.ok
    assert len(set(out)) == 1
    assert out[0] % 64 == 0
