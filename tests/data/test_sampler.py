"""Samplers: every order is what it says, and follows from its generator."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

RANDOM = {
    "permutation": lambda g: RandomSampler(range(20), generator=g),
    "longer": lambda g: RandomSampler(range(20), num_samples=45, generator=g),
    "replacement": lambda g: RandomSampler(range(20), True, 30, generator=g),
    "subset": lambda g: SubsetRandomSampler([3, 5, 7, 9, 11], g),
    "weighted": lambda g: WeightedRandomSampler([1.0, 2.0, 0.0, 3.0], 25, generator=g),
    "weighted without": lambda g: WeightedRandomSampler([1.0, 2.0, 0.0, 3.0], 3, False, g),
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_generator_decides(name):
    one = RANDOM[name](cr.Generator().manual_seed(1))
    first, second = list(one), list(one)
    assert len(first) == len(one)
    assert all(type(i) is int for i in first)
    assert first != second or name == "weighted without"
    assert list(RANDOM[name](cr.Generator().manual_seed(1))) == first
    cr.manual_seed(5)
    by_default = list(RANDOM[name](None))
    cr.manual_seed(5)
    assert list(RANDOM[name](None)) == by_default


def test_permutations_hold_everything_once():
    assert sorted(RandomSampler(range(20))) == list(range(20))
    longer = list(RandomSampler(range(20), num_samples=45))
    assert sorted(longer[:20]) == sorted(longer[20:40]) == list(range(20))
    assert len(set(longer[40:])) == 5
    assert sorted(SubsetRandomSampler([9, 4, 4])) == [4, 4, 9]
    assert list(RandomSampler([])) == []


@pytest.mark.parametrize(
    "sampler",
    [
        RandomSampler(range(20), replacement=True, num_samples=10**12),
        WeightedRandomSampler([1.0, 2.0], 10**12),
    ],
)
def test_any_number_of_draws_begins_at_once(sampler):
    assert len(sampler) == 10**12
    drawn = list(itertools.islice(sampler, 10_000))
    assert len(drawn) == 10_000
    assert set(drawn) <= set(range(20))


def test_weights_are_probabilities():
    cr.manual_seed(0)
    drawn = Counter(WeightedRandomSampler([1.0, 2.0, 0.0, 5.0], 40_000))
    assert drawn[2] == 0
    for i, share in ((0, 1 / 8), (1, 2 / 8), (3, 5 / 8)):
        assert drawn[i] / 40_000 == pytest.approx(share, abs=0.012)  # four standard deviations
    first = Counter(
        next(iter(WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False)))
        for _ in range(2000)
    )
    assert first[2] / 2000 == pytest.approx(0.75, abs=0.04)
    assert sorted(WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False)) == [0, 2]


@pytest.mark.parametrize(
    ("drop_last", "wanted"), [(False, [[0, 1, 2], [3, 4]]), (True, [[0, 1, 2]])]
)
def test_batches(drop_last, wanted):
    batches = BatchSampler(SequentialSampler(range(5)), 3, drop_last)
    assert list(batches) == wanted
    assert len(batches) == len(wanted)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: RandomSampler([1], num_samples=0), ArgumentError, "num_samples"),
        (lambda: RandomSampler([1], replacement=1), TypeError, "replacement"),
        (lambda: WeightedRandomSampler([1.0, -1.0], 1), ArgumentError, "at least 0"),
        (lambda: WeightedRandomSampler([1.0, float("nan")], 1), ArgumentError, "finite"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ArgumentError, "one axis"),
        (lambda: WeightedRandomSampler([1.0, 0.0], 2, False), ArgumentError, "1 weights"),
        (lambda: WeightedRandomSampler([0.0], 2), ArgumentError, "0 weights"),
        (lambda: WeightedRandomSampler([1.0], True), ArgumentError, "num_samples"),
        (lambda: BatchSampler([1], 0, False), ArgumentError, "batch_size"),
        (lambda: BatchSampler([1], 1, 0), ArgumentError, "drop_last"),
        (lambda: iter(Sampler()), NotImplementedError, "__iter__"),
    ],
)
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
