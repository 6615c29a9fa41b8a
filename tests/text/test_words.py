"""Words by Unicode's rules, and texts as codes of words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError
from chainrule.text.words import Words, word_spans, words_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("The “quick” fox can't jump 32.3 feet, right?",
         ["The", "“", "quick", "”", "fox", "can't", "jump", "32.3", "feet", ",", "right", "?"]),
        ("don’t e-mail a_b", ["don’t", "e", "-", "mail", "a_b"]),
        ("3,000 x.y u.s.", ["3,000", "x.y", "u.s", "."]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("日本", ["日", "本"]),
        ("カタカナ", ["カタカナ"]),
        ("👩‍👩‍👧!", ["👩‍👩‍👧", "!"]),
        ("e\N{COMBINING ACUTE ACCENT}t", ["e\N{COMBINING ACUTE ACCENT}t"]),
        ("a\u00a0b\u2003c", ["a", "b", "c"]),
        ("...", [".", ".", "."]),
    ],
)  # fmt: skip
def test_words_are_those_of_unicode(text, expected):
    assert words_of(text) == expected


@given(TEXTS)
def test_only_spaces_are_lost(text):
    assert "".join(words_of(text)) == "".join(text.split())
    assert [text[start:end] for start, end in word_spans(text)] == words_of(text)


@given(TEXTS, TEXTS)
def test_words_do_not_reach_over_spaces(one, other):
    assert words_of(f"{one} {other}") == words_of(one) + words_of(other)


def test_a_text_is_encoded_with_its_line_ends():
    text = "to be ,\n\nor not\n"
    vocabulary = Words.of(text)
    assert vocabulary.vocabulary.tokens == ("<unk>", "\n", ",", "be", "not", "or", "to")
    assert vocabulary.encode(text).tolist() == [6, 3, 2, 1, 1, 5, 4, 1]
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert len(vocabulary) == 7


def test_rare_words_are_unknown():
    vocabulary = Words.of(["a a b\n", "a c\n"], least=2)
    assert vocabulary.decode(vocabulary.encode("a b\n")) == "a <unk>\n"
    assert Words.of("b a a", most=1).vocabulary.tokens == ("<unk>", "a")


def test_saved_and_loaded():
    vocabulary = Words.of("to be\n")
    assert Words.from_json(vocabulary.to_json()) == vocabulary
    with pytest.raises(DataError, match="not a saved vocabulary"):
        Words.from_json("[]")
