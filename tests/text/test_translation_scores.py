"""Scores of translations, against values by hand."""

import math
import sys

import pytest

from chainrule.text.translation_scores import has_sacrebleu, translation_scores

FOUND = ["the cat sat on the mat", "a dog"]
RIGHT = [["the cat sat on the mat", "a cat sat there"], ["the dog"]]


def test_a_translation_is_exact_if_it_equals_one_reference():
    assert translation_scores(FOUND, RIGHT)["exact"] == 0.5
    assert translation_scores(["a cat sat there"], RIGHT[:1])["exact"] == 1.0


@pytest.mark.skipif(not has_sacrebleu(), reason="needs the extra `text`")
def test_bleu_is_that_of_the_formula():
    found, right = ["a b c d e f"], [["a b c d e x"]]
    p = [5 / 6, 4 / 5, 3 / 4, 2 / 3]
    expected = math.exp(sum(map(math.log, p)) / 4)
    assert translation_scores(found, right, tokenized=True)["bleu"] == pytest.approx(expected)


@pytest.mark.skipif(not has_sacrebleu(), reason="needs the extra `text`")
def test_perfect_and_copied_texts():
    perfect = translation_scores(["x y z w"], [["x y z w"]])
    assert perfect == pytest.approx({"exact": 1, "chrf": 1, "bleu": 1})
    wrong = translation_scores(["q"], [["x y z w"]])
    assert wrong["chrf"] == 0


@pytest.mark.skipif(not has_sacrebleu(), reason="needs the extra `text`")
def test_texts_may_have_different_numbers_of_references():
    assert 0 < translation_scores(FOUND, RIGHT)["chrf"] < 1


def test_without_sacrebleu_only_exact_ones_are_counted(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    assert translation_scores(FOUND, RIGHT) == {"exact": 0.5}
