"""Texts cut into tokens and joined again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import ArgumentError
from chainrule.text.token_kinds import KINDS, token_kind


@pytest.mark.parametrize(
    ("kind", "text", "tokens"),
    [
        ("words", "Don't go.", [" Don't", " go", "."]),
        ("words", "größer (2)", [" größer", " (", "2", ")"]),
        ("spaces", " T AH0  M ", ["T", "AH0", "M"]),
        ("characters", "a b", ["a", " ", "b"]),
        ("code", "x+=f(1)", ["x", "+=", "f", "(", "1", ")"]),
    ],
)
def test_a_text_is_cut(kind, text, tokens):
    assert token_kind(kind).cut(text) == tokens


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" ")))
def test_words_join_to_their_text_with_single_blanks(text):
    kind = KINDS["words"]
    assert kind.join(kind.cut(text)) == " ".join(text.split())


@given(st.text())
def test_characters_join_to_their_text(text):
    assert KINDS["characters"].join(KINDS["characters"].cut(text)) == text


def test_an_unknown_kind_is_refused_with_the_list():
    with pytest.raises(ArgumentError, match="'words', 'spaces', 'characters', 'code'"):
        token_kind("syllables")
