"""Arena plans never overlap what lives at the same time, and waste little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import VerifyError
from chainrule.compiler.runtime.arena import (
    ALIGNMENT,
    Lifetime,
    aligned_empty,
    check_arena,
    plan_arena,
)

lifetimes = st.lists(
    st.builds(
        lambda size, first, length: Lifetime(size, first, first + length),
        st.integers(0, 5000),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(lifetimes)
def test_bytes_written_by_the_living_stay(buffers):
    """The definition itself: play the plan, and see that nobody's bytes change during its life."""
    offsets, total = plan_arena(buffers)
    block = np.zeros(total, np.int64)
    for step in range(62):
        for i, buffer in enumerate(buffers):
            if buffer.first == step:
                block[offsets[i] : offsets[i] + buffer.size] = i + 1
        for i, buffer in enumerate(buffers):
            if buffer.first <= step <= buffer.last:
                mine = block[offsets[i] : offsets[i] + buffer.size]
                assert mine.size == buffer.size
                assert (mine == i + 1).all()


@given(lifetimes)
def test_check_accepts_every_plan(buffers):
    offsets, total = plan_arena(buffers)
    assert check_arena(buffers, offsets, total) >= 1.0
    assert all(offset % ALIGNMENT == 0 for offset in offsets)


@given(lifetimes, st.data())
def test_check_finds_every_overlap(buffers, data):
    offsets = [data.draw(st.integers(0, 100)) * ALIGNMENT for _ in buffers]
    total = max((o + b.size for o, b in zip(offsets, buffers, strict=True)), default=0)
    overlap = any(
        a.first <= b.last
        and b.first <= a.last
        and max(offsets[i], offsets[j]) < min(offsets[i] + a.size, offsets[j] + b.size)
        for i, a in enumerate(buffers)
        for j, b in enumerate(buffers)
        if i < j
    )
    if overlap:
        with pytest.raises(VerifyError, match="overlaps"):
            check_arena(buffers, offsets, total)
    else:
        check_arena(buffers, offsets, total)


def test_chain_needs_two_places():
    chain = [Lifetime(1024, i, i + 1) for i in range(50)]
    offsets, total = plan_arena(chain)
    assert total == 2048
    assert check_arena(chain, offsets, total) == 1.0


def test_forward_and_backward_of_a_deep_network():
    """Activations live from their forward to their backward step, gradients for two steps."""
    depth = 60
    saved = [Lifetime(64 * (10 + i % 7), i, 2 * depth - i) for i in range(depth)]
    passing = [Lifetime(64 * (10 + i % 7), depth + i, depth + i + 1) for i in range(depth)]
    buffers = saved + passing
    offsets, total = plan_arena(buffers)
    assert check_arena(buffers, offsets, total) < 1.15


@pytest.mark.parametrize(
    ("buffers", "offsets", "total", "message"),
    [
        ([Lifetime(64, 0, 1)], [0], 63, "does not lie"),
        ([Lifetime(64, 0, 1)], [32], 640, "does not lie"),
        ([Lifetime(64, 0, 1)], [-64], 640, "does not lie"),
        ([Lifetime(64, 2, 1)], [0], 64, "no life"),
        ([Lifetime(-1, 0, 1)], [0], 64, "no life"),
    ],
)
def test_check_refuses(buffers, offsets, total, message):
    with pytest.raises(VerifyError, match=message):
        check_arena(buffers, offsets, total)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 1000])
def test_aligned_memory(size):
    block = aligned_empty(size)
    assert block.nbytes == size
    assert block.ctypes.data % ALIGNMENT == 0 or size == 0
    block[:] = 1
