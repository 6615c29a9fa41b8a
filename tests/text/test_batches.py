"""Windows of text: random ones and consecutive ones."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.batches import RandomWindows, consecutive_batches


def test_targets_are_one_place_later():
    codes = np.arange(100, 200)
    inputs, targets = RandomWindows(codes, context=7, batch=5, seed=1).draw()
    assert inputs.shape == targets.shape == (5, 7)
    assert np.array_equal(targets, inputs + 1)
    assert np.array_equal(np.diff(inputs), np.ones((5, 6)))


def test_every_start_is_possible():
    windows = RandomWindows(np.arange(10), context=6, batch=100, seed=0)
    inputs, targets = windows.draw()
    assert set(inputs[:, 0]) == {0, 1, 2, 3}
    assert targets.max() == 9


def test_the_seed_decides():
    def first(seed):
        return RandomWindows(np.arange(1000), 8, 4, seed).draw()[0].tolist()

    assert first(3) == first(3) != first(4)


@given(st.integers(0, 20), st.integers(0, 2**32))
def test_a_restored_stream_goes_on(before, seed):
    windows = RandomWindows(np.arange(1000), 8, 3, seed)
    for _ in range(before):
        windows.draw()
    state = json.loads(json.dumps(windows.state()))
    expected = [windows.draw()[0].tolist() for _ in range(3)]
    other = RandomWindows(np.arange(1000), 8, 3, seed + 1)
    other.restore(state)
    assert [other.draw()[0].tolist() for _ in range(3)] == expected


@given(st.integers(2, 300), st.integers(1, 20), st.integers(1, 6))
def test_each_character_is_predicted_once_from_the_one_before(length, context, batch):
    codes = np.arange(1, length + 1)  # 0 is what empty places hold
    seen = []
    for inputs, targets, counts in consecutive_batches(codes, context, batch):
        assert inputs.shape == targets.shape == counts.shape == (batch, context)
        assert np.array_equal(targets[counts], inputs[counts] + 1)
        assert not inputs[~counts].any()
        assert not targets[~counts].any()
        seen += targets[counts].tolist()
    assert seen == codes[1:].tolist()
