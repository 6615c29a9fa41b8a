"""The tag that each word has most often."""

from chainrule.text.frequent_tags import FrequentTags
from chainrule.text.tagged import Tagged

SENTENCES = [
    Tagged(("a", "b", "a"), ("Y", "_", "X")),
    Tagged(("a", "c", "b"), ("Y", "Z", "_")),
    Tagged(("d", "d"), ("X", "Y")),
]


def test_known_words_have_their_most_frequent_tag():
    assert FrequentTags(SENTENCES).tag(["a", "b", "c"]) == ["Y", "_", "Z"]


def test_of_equally_frequent_tags_the_first_is_taken():
    assert FrequentTags(SENTENCES).tag(["d"]) == ["X"]


def test_unknown_words_have_the_most_frequent_tag_that_is_not_left_out():
    assert FrequentTags(SENTENCES).tag(["new"]) == ["Y"]
    sentences = [Tagged(("a", "b", "c"), ("_", "_", "X"))]
    assert FrequentTags(sentences).tag(["new"]) == ["_"]
    assert FrequentTags(sentences, left_out=["_"]).tag(["new", "a"]) == ["X", "_"]


def test_words_are_counted():
    assert FrequentTags(SENTENCES).words == {"a": 3, "b": 2, "c": 1, "d": 2}


def test_nothing_to_count():
    assert FrequentTags([]).tag(["a"]) == [""]
