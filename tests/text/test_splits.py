"""Splits by a hash of the example."""

from itertools import chain

import pytest

from chainrule.base.errors import ArgumentError
from chainrule.text.splits import evenly, fold_of, split_by_hash


def test_folds_are_those_of_every_machine():
    assert [fold_of(key) for key in ("", "bisect.py", "naïve", "文字")] == [6, 1, 6, 9]


def test_folds_are_about_equal():
    sizes = [0] * 10
    for number in range(5000):
        sizes[fold_of(f"example {number}")] += 1
    assert min(sizes) > 430
    assert max(sizes) < 570


def test_the_folds_are_a_partition():
    examples = [f"example {number}" for number in range(100)]
    held_out = [split_by_hash(examples, str, folds=4, fold=fold)[1] for fold in range(4)]
    assert sorted(chain(*held_out)) == sorted(examples)


def test_examples_keep_their_order_and_their_side_when_others_are_added():
    examples = [f"example {number}" for number in range(200)]
    learnt, held_out = split_by_hash(examples, str)
    assert learnt == sorted(learnt, key=examples.index)
    assert held_out
    more, more_held_out = split_by_hash(["new", *examples, "newer"], str)
    assert set(learnt) <= set(more)
    assert set(held_out) <= set(more_held_out)


def test_equal_examples_are_on_one_side():
    learnt, held_out = split_by_hash(["a", "b", "c", "d", "e"] * 3, str, folds=3)
    assert not set(learnt) & set(held_out)


@pytest.mark.parametrize(("folds", "fold"), [(10, 10), (10, -1), (0, 0)])
def test_a_fold_that_does_not_exist(folds, fold):
    with pytest.raises(ArgumentError, match="numbered 0"):
        split_by_hash(["a"], str, folds, fold)


def test_a_lone_surrogate_has_a_fold():
    assert 0 <= fold_of("\ud800") < 10


def test_an_even_part_reaches_from_the_first_to_the_last():
    for length in range(40):
        for most in range(1, 45):
            part = evenly(range(length), most)
            assert len(part) <= most
            if length:
                step = part[1] - part[0] if len(part) > 1 else length
                assert part[0] == 0
                assert length - step <= part[-1] < length
    assert list(evenly("abcdefg", 4)) == list("aceg")
