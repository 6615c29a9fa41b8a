"""Nearest words and the judges built on them, against cosines by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.base.errors import DataError, ShapeError
from chainrule.text.nearest import WordSpace, plural_pairs
from chainrule.text.word_groups import WORD_GROUPS

WORDS = ("cat", "cats", "dog", "dogs", "sun")
VECTORS = np.array([[2, 0, 0], [1, 1, 0], [3, 0, 0.5], [3, 3, 0.5], [0, 0, 1.0]])
SPACE = WordSpace(WORDS, VECTORS)


def cosine(a, b):
    x, y = VECTORS[WORDS.index(a)], VECTORS[WORDS.index(b)]
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_nearest_words_come_with_their_cosines():
    found = SPACE.nearest("cat", 3)
    assert [word for word, _ in found] == ["dog", "cats", "dogs"]
    assert dict(found) == pytest.approx({word: cosine("cat", word) for word, _ in found}, abs=1e-6)


def test_analogies_leave_out_the_words_that_are_given():
    assert SPACE.analogy("cat", "cats", "dog", 1)[0][0] == "dogs"
    assert {w for w, _ in SPACE.analogy("cat", "cats", "dog", 9)} == {"dogs", "sun"}


def test_pairs_are_found_within_so_many_words():
    pairs = [("cat", "cats"), ("dog", "sun")]
    assert SPACE.recall(pairs, 2) == 0.5
    assert SPACE.recall(pairs, 4) == 1.0
    assert SPACE.analogy_accuracy([("cat", "cats"), ("dog", "dogs")], 1) == 1.0
    assert math.isnan(SPACE.recall([], 1))
    assert math.isnan(SPACE.analogy_accuracy(pairs[:1], 1))


def test_groups_apart_is_the_share_of_pairs_in_the_right_order():
    groups = [["cat", "dog"], ["cats", "dogs", "unknown"]]
    same = [cosine("cat", "dog"), cosine("cats", "dogs")]
    other = [cosine(a, b) for a in groups[0] for b in ("cats", "dogs")]
    assert SPACE.auc(groups) == np.mean([s > o for s in same for o in other])
    assert math.isnan(SPACE.auc([["cat", "dog"]]))
    assert WordSpace("ab", np.ones((2, 3))).auc([["a"], ["b"]]) != 0.5  # no pair of one group


def test_faults_name_the_word_or_the_shape():
    with pytest.raises(DataError, match="no vector of 'bird'"):
        SPACE.nearest("bird", 1)
    with pytest.raises(ShapeError, match="5 words need vectors"):
        WordSpace(WORDS, VECTORS[:4])


def test_a_plural_is_the_word_and_an_s():
    assert plural_pairs(["file", "files", "as", "a", "list", "bus"]) == [("file", "files")]


def test_bundled_groups_do_not_share_words():
    words = [word for group in WORD_GROUPS for word in group]
    assert len(set(words)) == len(words)
    assert all(len(group) > 2 for group in WORD_GROUPS)
