"""Judges of classifiers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.confusion import Confusion, Mixed

GOLD = ["a", "a", "a", "b", "b", "c"]
PREDICTED = ["a", "a", "b", "b", "d", "a"]


def test_scores_by_hand():
    found = Confusion.of(GOLD, PREDICTED)
    assert found.labels == ("a", "b", "c", "d")
    assert found.counts.tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    by_label = {each.label: each[1:] for each in found.by_label()}
    assert by_label["a"] == (3, 2 / 3, 2 / 3, 2 / 3)
    assert by_label["b"] == (2, 1 / 2, 1 / 2, 1 / 2)
    assert by_label["c"] == (1, 0, 0, 0)
    assert by_label["d"] == (0, 0, 0, 0)
    assert found.scores() == {
        "accuracy": 3 / 6,
        "macro_f1": pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4),
    }
    assert found.most_mixed(2) == [Mixed("a", "b", 1), Mixed("b", "d", 1)]
    assert len(found.most_mixed(9)) == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_counts_and_scores_by_definition(pairs):
    gold, predicted = zip(*pairs, strict=True)
    found = Confusion.of(gold, predicted)
    at = {label: place for place, label in enumerate(found.labels)}
    for g in found.labels:
        for p in found.labels:
            assert found.counts[at[g], at[p]] == pairs.count((g, p))
    f1 = []
    for label in {*gold, *predicted}:
        hits = sum(g == p == label for g, p in pairs)
        f1.append(2 * hits / (gold.count(label) + predicted.count(label)))
    assert found.scores()["macro_f1"] == pytest.approx(np.mean(f1))
    assert found.scores()["accuracy"] == pytest.approx(np.mean([g == p for g, p in pairs]))


def test_the_table_of_few_labels_has_the_matrix():
    assert Confusion.of(GOLD, PREDICTED).text().splitlines() == [
        "label  examples  precision  recall     F1",
        "a             3      66.7%   66.7%  66.7%",
        "b             2      50.0%   50.0%  50.0%",
        "c             1       0.0%    0.0%   0.0%",
        "d             0       0.0%    0.0%   0.0%",
        "",
        "a row for each label, a column for each prediction",
        "       a  b  c  d",
        "a      2  1  0  0",
        "b      0  1  0  1",
        "c      1  0  0  0",
        "d      0  0  0  0",
    ]


def test_the_table_of_many_labels_has_the_largest_mistakes():
    gold = [f"label {n}" for n in range(20)] + ["label 3"] * 2
    predicted = gold[:20] + ["label 5"] * 2
    assert Confusion.of(gold, predicted).text().splitlines()[-2:] == [
        "the most frequent mistakes",
        "label 3   taken for label 5   2 times",
    ]
