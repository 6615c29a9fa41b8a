"""Multinomial naive Bayes."""

import numpy as np
import pytest

from chainrule.text.naive_bayes import NaiveBayes

# Manning, Raghavan & Schütze (2008), table 13.1 and example 13.1
TEXTS = [
    "Chinese Beijing Chinese",
    "Chinese Chinese Shanghai",
    "Chinese Macao",
    "Tokyo Japan Chinese",
]
LABELS = ["China", "China", "China", "other"]
ASKED = "Chinese Chinese Chinese Tokyo Japan"


def model():
    return NaiveBayes([text.split() for text in TEXTS], LABELS)


def test_the_example_of_the_textbook():
    p = np.array([3 / 4 * (3 / 7) ** 3 * (1 / 14) ** 2, 1 / 4 * (2 / 9) ** 3 * (2 / 9) ** 2])
    found = model().log_probabilities(ASKED.split())
    assert model().labels == ("China", "other")
    np.testing.assert_allclose(np.exp(found), p / p.sum())
    assert model().label(ASKED.split()) == "China"


@pytest.mark.parametrize("words", [[], ["unseen"], ["unseen", "words"]])
def test_without_known_words_the_label_is_the_most_frequent_one(words):
    np.testing.assert_allclose(np.exp(model().log_probabilities(words)), [3 / 4, 1 / 4])
    assert model().label(words) == "China"


def test_a_text_without_words_counts_for_its_label():
    other = NaiveBayes([[], ["a"], ["b"]], ["x", "x", "y"])
    np.testing.assert_allclose(np.exp(other.log_probabilities([])), [2 / 3, 1 / 3])
