"""Codes of pairs in which rare words are copied."""

from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.copied_words import CopiedWords

split = str.split
PAIRS = [
    (split("a = b"), split("Assign a b")),
    (split("c = d"), split("Assign c d")),
    (split("del a"), split("Delete a")),
]


def test_words_on_both_sides_are_copied_and_others_held():
    words = CopiedWords.of(PAIRS, copies=2)
    specials = ("<pad>", "<unk>", "<s>", "</s>", "<1>", "<2>")
    assert words.vocabulary.tokens == (*specials, "=", "Assign", "Delete", "del")


def test_the_most_frequent_of_the_words_that_are_held():
    assert CopiedWords.of(PAIRS, copies=0, most=2).vocabulary.tokens[4:] == ("=", "Assign")
    assert CopiedWords.of(PAIRS, copies=0, least=3).vocabulary.tokens[4:] == ()


def test_equal_rare_words_have_one_number_on_both_sides():
    words = CopiedWords.of(PAIRS, copies=3)
    codes, rare = words.encode(split("x = y + x"))
    assert words.vocabulary.decode(codes) == ["<1>", "=", "<2>", "<3>", "<1>"]
    assert rare == ["x", "y", "+"]
    target = words.encode_target(split("Assign x y z"), rare)
    assert words.vocabulary.decode(target) == ["<s>", "Assign", "<1>", "<2>", "<unk>", "</s>"]


def test_more_rare_words_than_copies_are_unknown():
    words = CopiedWords.of(PAIRS, copies=1)
    codes, rare = words.encode(split("x = y"))
    assert words.vocabulary.decode(codes) == ["<1>", "=", "<unk>"]
    assert words.decode(words.encode_target(split("Assign x y"), rare), rare) == [
        "Assign", "x", "<unk>",
    ]  # fmt: skip


def test_a_number_that_stands_for_no_word_leaves_its_place_empty():
    words = CopiedWords.of(PAIRS, copies=2)
    assert words.decode([words.vocabulary.code("<2>"), words.end, 0], ["x"]) == []


@given(st.lists(st.sampled_from(["=", "Assign", "<s>", "</s>", "<1>", "<unk>", "<pad>", "x", "y"])))
def test_a_text_that_is_copied_whole_comes_back(tokens):
    words = CopiedWords.of(PAIRS, copies=9)
    _, rare = words.encode(tokens)
    assert words.decode(words.encode_target(tokens, rare), rare) == tokens
