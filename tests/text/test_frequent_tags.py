"""The tag that each word has most often."""

from chainrule.text.frequent_tags import FrequentTags

SENTENCES = [
    (("a", "b", "a"), ("Y", "_", "X")),
    (("a", "c", "b"), ("Y", "Z", "_")),
    (("d", "d"), ("X", "Y")),
]


def test_known_words_have_their_most_frequent_tag():
    assert FrequentTags(SENTENCES).tag(["a", "b", "c"]) == ["Y", "_", "Z"]


def test_of_equally_frequent_tags_the_first_is_taken():
    assert FrequentTags(SENTENCES).tag(["d"]) == ["X"]


def test_unknown_words_have_the_most_frequent_tag_that_is_not_left_out():
    assert FrequentTags(SENTENCES).tag(["new"]) == ["Y"]
    assert FrequentTags([(("a", "b"), ("_", "_")), (("a",), ("X",))]).tag(["new"]) == ["_"]
    assert FrequentTags([(("a", "b"), ("_", "X"))], left_out=["_"]).tag(["new", "a"]) == ["X", "_"]


def test_words_are_counted():
    assert FrequentTags(SENTENCES).words == {"a": 3, "b": 2, "c": 1, "d": 2}


def test_nothing_to_count():
    assert FrequentTags([]).tag(["a"]) == [""]
