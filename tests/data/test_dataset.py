"""Datasets: samples by number, joined, stacked, cut and split."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, IndexBoundsError
from chainrule.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Squares(Dataset[int]):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index


class Count(IterableDataset[int]):
    def __init__(self, *values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


def test_tensors_are_indexed_together():
    data = TensorDataset(cr.arange(6).reshape(3, 2), cr.tensor([5, 6, 7]))
    x, y = data[1]
    assert (x.tolist(), y.item(), len(data)) == ([2, 3], 6, 3)
    assert data[1:][1].tolist() == [6, 7]


def test_datasets_are_joined():
    both = Squares(3) + Squares(2)
    assert isinstance(both, ConcatDataset)
    assert [both[i] for i in range(len(both))] == [0, 1, 4, 0, 1]
    assert both[-4] == 1
    for outside in (5, -6):
        with pytest.raises(IndexBoundsError, match="out of range for 5 samples"):
            both[outside]


def test_streams_are_joined():
    both = Count(1, 2) + Count(3)
    assert isinstance(both, ChainDataset)
    assert (list(both), len(both)) == ([1, 2, 3], 3)


def test_datasets_are_stacked():
    assert StackDataset(Squares(3), "abc")[2] == (4, "c")
    named = StackDataset(square=Squares(3), letter="abc")
    assert (named[1], len(named)) == ({"square": 1, "letter": "b"}, 3)


def test_subsets_choose_and_fetch_whole_batches():
    class Counted(Squares):
        fetched = 0

        def __getitems__(self, indices):
            self.fetched += 1
            return [self[i] for i in indices]

    data = Counted(10)
    part = Subset(Subset(data, range(5, 10)), [4, 0])
    assert ([part[0], part[1]], len(part)) == ([81, 25], 2)
    assert part.__getitems__([1, 0]) == [25, 81]
    assert data.fetched == 1
    assert Subset(Squares(4), [3, 2]).__getitems__([0, 1]) == [9, 4]


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([7, 3], [7, 3]),
        ([0.5, 0.5], [5, 5]),
        ([0.33, 0.33, 0.34], [4, 3, 3]),
        ([0.1] * 10, [1] * 10),
        ([1.0], [10]),
    ],
)
def test_a_split_is_a_partition(lengths, sizes):
    parts = random_split(range(10), lengths, cr.Generator().manual_seed(3))
    assert [len(p) for p in parts] == sizes
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = random_split(range(10), lengths, cr.Generator().manual_seed(3))
    assert [p.indices for p in again] == [p.indices for p in parts]


@pytest.mark.oracle
@pytest.mark.parametrize("lengths", [[0.7, 0.3], [0.33, 0.33, 0.34], [0.05, 0.95], [4, 7]])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_sizes_of_a_split_are_pytorchs(lengths):
    import torch

    ours = random_split(range(11), lengths)
    theirs = torch.utils.data.random_split(range(11), lengths)
    assert [len(p) for p in ours] == [len(p) for p in theirs]


def test_an_empty_part_is_told():
    with pytest.warns(UserWarning, match="subset 1"):
        random_split(range(3), [0.99, 0.01])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TensorDataset(cr.ones(2), cr.ones(3)), r"\[2, 3\]"),
        (TensorDataset, "equal size"),
        (lambda: StackDataset(Squares(2), Squares(3)), r"\[2, 3\]"),
        (StackDataset, "by position or by name"),
        (lambda: StackDataset(Squares(2), b=Squares(2)), "by position or by name"),
        (lambda: ConcatDataset([]), "at least one"),
        (lambda: ConcatDataset([Count(1)]), "ChainDataset"),
        (lambda: list(ChainDataset([Squares(2)])), "not Squares"),
        (lambda: random_split(range(5), [2, 2]), "do not add up to the dataset's 5"),
        (lambda: random_split(range(5), [1.5, -0.5]), "fraction 0"),
        (lambda: random_split(range(5), [0.5]), "do not add up"),
    ],
)
def test_what_is_refused(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


def test_what_a_subclass_must_define():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())
