"""Judges of taggers."""

import pytest

from chainrule.text.tag_scores import tag_scores
from chainrule.text.tagged import Tagged

GOLD = [Tagged(("the", "dog", "runs"), ("D", "N", "V")), Tagged(("run", ","), ("V", "_"))]


def test_accuracy_is_over_words_whose_tag_is_given():
    scores = tag_scores(GOLD, [["D", "N", "N"], ["V", "V"]], known={"the", "dog", "runs", "run"})
    assert scores == {"accuracy": 3 / 4}


def test_unknown_words_are_judged_apart():
    scores = tag_scores(GOLD, [["D", "X", "V"], ["V", "_"]], known={"the"})
    assert scores == {"accuracy": 3 / 4, "unknown_accuracy": 2 / 3}


def test_spans_have_an_f1():
    gold = [Tagged(("a", "b", "c"), ("B-x", "I-x", "O"))]
    scores = tag_scores(gold, [["B-x", "I-x", "B-x"]], known={"a", "b", "c"}, spans=True)
    assert scores == {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "accuracy": 2 / 3}


def test_sentences_and_predictions_fit():
    with pytest.raises(ValueError, match="shorter"):
        tag_scores(GOLD, [["D", "N"], ["V", "_"]], known=set())
    with pytest.raises(ValueError, match="shorter"):
        tag_scores(GOLD, [["D", "N", "V"]], known=set())


def test_nothing_to_judge():
    assert tag_scores([Tagged(("a",), ("_",))], [["x"]], known=set()) == {"accuracy": 0.0}
