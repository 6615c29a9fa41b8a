"""Batches of examples of different lengths."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.text.padded_batches import PaddedBatches, bucket_of

LENGTHS = st.lists(st.integers(0, 70), min_size=1, max_size=60)


def numbered(lengths):
    """Example i holds the value i + 1, as often as it is long."""
    return [np.full(length, number + 1) for number, length in enumerate(lengths)]


def an_epoch(batches):
    return [batches.draw() for _ in range(len(batches))]


@given(st.integers(1, 300))
def test_a_bucket_is_the_smallest_that_holds_the_length(length):
    buckets = sorted({8, *(8 << n for n in range(16)), *(12 << n for n in range(16))})
    assert bucket_of(length) == min(bucket for bucket in buckets if bucket >= length)


@given(LENGTHS, st.integers(1, 8), st.integers(0, 3))
def test_an_epoch_has_each_example_once_and_whole(lengths, batch, seed):
    numbers = np.arange(len(lengths))
    batches = PaddedBatches([numbered(lengths), numbers], batch, seed=seed)
    for _ in range(2):
        seen = []
        for codes, chosen, mask in an_epoch(batches):
            assert codes.shape == mask.shape == (len(chosen), bucket_of(codes.shape[1]))
            assert mask.sum(1).tolist() == [lengths[number] for number in chosen]
            assert (codes == np.where(mask, chosen[:, None] + 1, 0)).all()
            seen += chosen.tolist()
        assert sorted(seen) == numbers.tolist()


@given(LENGTHS, st.integers(1, 8))
def test_there_are_no_more_shapes_than_buckets_and_one(lengths, batch):
    batches = PaddedBatches([numbered(lengths)], batch)
    shapes = {codes.shape for _ in range(3) for codes, _ in an_epoch(batches)}
    assert len(shapes) <= len(set(bucket_of(lengths).tolist())) + 1


@given(LENGTHS, st.integers(1, 200))
def test_batches_by_tokens_stay_below_them(lengths, tokens):
    batches = PaddedBatches([numbered(lengths)], tokens=tokens)
    for codes, _ in an_epoch(batches):
        assert codes.size <= tokens or len(codes) == 1


@given(LENGTHS, st.integers(0, 40))
def test_a_restored_stream_goes_on_with_the_same_batches(lengths, drawn):
    first = PaddedBatches([numbered(lengths)], 4, seed=1)
    for _ in range(drawn):
        first.draw()
    again = PaddedBatches([numbered(lengths)], 4, seed=1)
    again.restore(json.loads(json.dumps(first.state())))
    assert again.epoch == first.epoch == drawn // len(first)
    for _ in range(5):
        for one, other in zip(first.draw(), again.draw(), strict=True):
            assert np.array_equal(one, other)


def test_epochs_and_seeds_differ():
    lengths = [5] * 40
    batches = PaddedBatches([numbered(lengths)], 4, seed=1)
    one, two = (np.concatenate([b[0] for b in an_epoch(batches)])[:, 0] for _ in range(2))
    other = PaddedBatches([numbered(lengths)], 4, seed=2).draw()[0][:, 0]
    assert one.tolist() != two.tolist()
    assert one[:4].tolist() != other.tolist()


@given(LENGTHS)
def test_in_order_has_each_example_once_and_disturbs_nothing(lengths):
    batches = PaddedBatches([numbered(lengths)], 4)
    before = batches.state()
    seen = []
    for chosen, (codes, mask) in batches.in_order():
        assert (codes == np.where(mask, chosen[:, None] + 1, 0)).all()
        seen += chosen.tolist()
    assert sorted(seen) == list(range(len(lengths)))
    assert batches.state() == before


def test_two_sides_are_padded_to_buckets_of_their_own():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 40, size=(50, 2))
    batches = PaddedBatches(
        [numbered(sizes[:, 0]), numbered(sizes[:, 1])], 8, padding=[0, -100], seed=0
    )
    seen = 0
    for source, target, mask in an_epoch(batches):
        numbers = source[:, 0] - 1
        assert (mask.sum(1) == sizes[numbers, 0]).all()
        assert ((target != -100).sum(1) == sizes[numbers, 1]).all()
        assert target.shape[1] == bucket_of(sizes[numbers, 1].max())
        seen += len(numbers)
    assert seen == 50


def test_elements_may_be_rows():
    words = [np.ones((3, 2)), np.ones((9, 2)), np.ones((0, 2))]
    codes, mask = PaddedBatches([words], 3, padding=-1).draw()
    assert codes.shape == (3, 12, 2)
    assert (codes == np.where(mask, 1, -1)[:, :, None]).all()


def test_all_examples_may_be_empty():
    codes, mask = PaddedBatches([[np.zeros(0, np.int64)] * 2], padding=7).draw()
    assert codes.tolist() == [[7] * 8] * 2
    assert not mask.any()


def test_what_cannot_be_batched_is_refused():
    with pytest.raises(ShapeError, match=r"\[1, 2\]"):
        PaddedBatches([[[1], [2]], np.array([0])])
    with pytest.raises(ShapeError, match="2 values of padding for 1 column"):
        PaddedBatches([[[1]]], padding=[0, 0])
    for columns in ([], [[]], [np.zeros(3)]):
        with pytest.raises(ArgumentError, match="need a list of arrays"):
            PaddedBatches(columns)
    with pytest.raises(ArgumentError, match="batch must be at least 1"):
        PaddedBatches([[[1]]], 0)
