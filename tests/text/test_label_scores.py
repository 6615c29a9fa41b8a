"""Accuracy, macro-F1, the confusion matrix and its texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.text.label_scores import Confusion

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1)


@given(PAIRS)
def test_scores_are_those_of_their_definition(pairs):
    gold, predicted = zip(*pairs, strict=True)
    judged = Confusion.of(gold, predicted)
    assert judged.accuracy == pytest.approx(sum(g == p for g, p in pairs) / len(pairs))
    f1 = []
    for number, label in enumerate(judged.labels):
        right = sum(g == p == label for g, p in pairs)
        given_, found = gold.count(label), predicted.count(label)
        precision, recall = (right / n if n else 0.0 for n in (found, given_))
        assert judged.precision[number] == pytest.approx(precision)
        assert judged.recall[number] == pytest.approx(recall)
        both = precision + recall
        f1.append(2 * precision * recall / both if both else 0.0)
    assert judged.f1 == pytest.approx(f1)
    assert judged.macro_f1 == pytest.approx(sum(f1) / len(f1))


@given(PAIRS)
def test_labels_that_do_not_occur_change_no_score(pairs):
    gold, predicted = zip(*pairs, strict=True)
    more = Confusion.of(gold, predicted, labels="zabcdy")
    few = Confusion.of(gold, predicted)
    assert more.scores() == few.scores()
    assert more.table() == few.table()
    assert more.matrix() == few.matrix()


def test_perfect_predictions():
    judged = Confusion.of("aab", "aab")
    assert judged.scores() == {"accuracy": 1.0, "macro_f1": 1.0}
    assert judged.confused(5) == []


def test_the_most_frequent_confusions_are_first():
    judged = Confusion.of("aaabbbc", "bbacaab")
    assert judged.confused(3) == [("a", "b", 2), ("b", "a", 2), ("b", "c", 1)]


def test_rare_labels_are_one_in_the_matrix():
    gold = list("aaaabbbccd")
    predicted = list("aabdbbacca")
    assert Confusion.of(gold, predicted).matrix(most=2).splitlines() == [
        "        a  b  others",
        "a       2  1       1",
        "b       1  2       0",
        "others  1  0       2",
    ]


@given(PAIRS, st.integers(1, 5))
def test_no_example_is_lost_in_the_matrix(pairs, most):
    gold, predicted = zip(*pairs, strict=True)
    lines = Confusion.of(gold, predicted).matrix(most).splitlines()[1:]
    assert sum(int(cell) for line in lines for cell in line.split()[1:]) == len(pairs)


def test_the_table_is_aligned_whatever_the_names():
    lines = Confusion.of(["a long label", "b"] * 600, ["b", "b"] * 600).table().splitlines()
    assert lines[0].endswith("examples")
    assert len({len(line) for line in lines}) == 1


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ShapeError, match="1 prediction for 2 examples"):
        Confusion.of("ab", "a")
    with pytest.raises(ArgumentError, match="no predictions"):
        Confusion.of([], [])
    with pytest.raises(ArgumentError, match="'c' is not one of the labels"):
        Confusion.of("ab", "ac", labels="ab")
    assert np.array_equal(Confusion.of("a", "b").counts, [[0, 1], [0, 0]])
