"""Windows of text: random ones and consecutive ones."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.batches import Lanes, RandomWindows, consecutive_batches, lane_batches


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


@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 9))
def test_lanes_go_on_where_they_ended(more, context, batch):
    codes = np.arange(context + more)
    lanes = Lanes(codes, context, batch, seed=0)
    before = None
    for number in range(2 * len(lanes) + 1):
        inputs, targets, goes_on = lanes.draw()
        assert inputs.shape == targets.shape == (batch, context)
        assert (inputs + 1 == targets).all()
        assert (goes_on == (number % len(lanes) > 0)).all()
        if before is not None and goes_on.all():
            assert (inputs[:, 0] == before[:, -1]).all()
        before = targets


def test_lanes_read_nearly_all_of_the_text():
    lanes = Lanes(np.arange(1000), 10, 9, seed=3)
    seen = {code for _ in range(len(lanes)) for code in lanes.draw()[0].ravel()}
    assert len(seen) >= 990 - 9


def test_lanes_are_continued():
    one, other = Lanes(np.arange(99), 7, 3, seed=1), Lanes(np.arange(99), 7, 3, seed=1)
    for _ in range(7):
        one.draw()
    other.restore(one.state())
    for _ in range(5):
        assert all((a == b).all() for a, b in zip(one.draw(), other.draw(), strict=True))


@given(st.integers(2, 400), st.integers(1, 20), st.integers(1, 9))
def test_lanes_of_held_out_text_count_every_code_once(length, context, lanes):
    seen, ends = [], None
    for inputs, targets, counts in lane_batches(np.arange(length), context, lanes):
        assert (targets[counts] == inputs[counts] + 1).all()
        seen += targets[counts].tolist()
        if ends is not None:
            assert (inputs[:, 0][counts[:, 0]] == ends[counts[:, 0]]).all()
        ends = targets[:, -1]
    assert sorted(seen) == list(range(1, length))
