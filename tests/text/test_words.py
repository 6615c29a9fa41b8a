"""Words of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("one two", ["one", "two"]),
        ("Stop!?", ["Stop", "!", "?"]),
        ("don't, it’s 'so'", ["don't", ",", "it’s", "'", "so", "'"]),
        ("a_b = x-1.5", ["a_b", "=", "x", "-", "1", ".", "5"]),
        ("Größe café", ["Größe", "café"]),
        ("cafe\u0301", ["cafe\u0301"]),  # a combining accent belongs to its letter
        ("हिन्दी", ["हिन्दी"]),
        ("我喜歡Python3。", ["我", "喜", "歡", "Python3", "。"]),
        ("カナdata", ["カ", "ナ", "data"]),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


@given(st.text())
def test_only_spaces_are_lost(text):
    assert "".join(words_of(text)) == "".join(text.split())


@given(st.text(), st.text())
def test_words_do_not_reach_over_spaces(one, other):
    assert words_of(f"{one} {other}") == words_of(one) + words_of(other)
