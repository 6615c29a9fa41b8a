"""Tokens to codes and back."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, DataError
from chainrule.text.vocabulary import Vocabulary

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=30)


@given(WORDS)
def test_round_trip(tokens):
    words = Vocabulary.of(tokens)
    ordinary = [word for word in tokens if word != "<pad>"]
    codes = words.encode(ordinary)
    assert codes.dtype == np.int64
    assert codes.tolist() == [words.tokens.index(token) for token in ordinary]
    assert words.decode(codes) == ordinary


@given(WORDS, st.randoms())
def test_codes_do_not_depend_on_the_order_of_the_text(tokens, random):
    shuffled = random.sample(tokens, len(tokens))
    assert Vocabulary.of(shuffled) == Vocabulary.of(tokens) == Vocabulary.of(Counter(tokens))


@given(WORDS)
def test_saved_and_loaded(tokens):
    words = Vocabulary.of(tokens, least=2)
    assert Vocabulary.from_json(words.to_json()) == words


def test_the_most_frequent_are_first_and_rare_ones_unknown():
    text = ["b", "b", "b", "a", "a", "c", "c", "d"]
    assert Vocabulary.of(text, least=2).tokens == ("<pad>", "<unk>", "b", "a", "c")
    words = Vocabulary.of(text, most=1, special=["<s>"])
    assert words.tokens == ("<pad>", "<unk>", "<s>", "b")
    assert words.decode(words.encode(["a", "b", "<s>", "b"])) == ["<unk>", "b", "<s>", "b"]


def test_a_token_spelt_like_padding_is_unknown():
    words = Vocabulary.of(["<pad>", "a"])
    assert words.encode(["<pad>", "a"]).tolist() == [words.unknown_code, 2]
    assert words.padding_code == 0
    assert "<pad>" not in words
    assert "a" in words


def test_labels_that_are_unknown_are_named():
    labels = Vocabulary.of(["yes", "no"], padding=None, unknown=None)
    assert labels.encode(["yes", "no"]).tolist() == [1, 0]
    with pytest.raises(DataError, match=r"2 tokens has no 'maybe' 'perhaps'.*unknown='<unk>'"):
        labels.encode(["perhaps", "yes", "maybe"])
    with pytest.raises(ArgumentError, match="no padding"):
        _ = labels.padding_code
    with pytest.raises(ArgumentError, match="no unknown"):
        _ = labels.unknown_code


def test_codes_outside_are_refused():
    for codes in ([2], [-1]):
        with pytest.raises(DataError, match="0 … 1"):
            Vocabulary.of([]).decode(codes)
    assert Vocabulary.of([]).decode([]) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ('{"tokens": ["a"]}', "padding"),
        ('{"tokens": [1], "padding": null, "unknown": null}', "Expected `str`"),
        ('{"tokens": ["a", "a"], "padding": null, "unknown": null}', "'a' twice"),
        ('{"tokens": ["a"], "padding": "b", "unknown": null}', "'b'"),
    ],
)
def test_other_texts_are_not_vocabularies(text, why):
    with pytest.raises(DataError, match=f"not a saved vocabulary.*{why}"):
        Vocabulary.from_json(text)


def test_the_saved_form_is_plain_json():
    saved = json.loads(Vocabulary.of(["é"]).to_json())
    assert saved == {"tokens": ["<pad>", "<unk>", "é"], "padding": "<pad>", "unknown": "<unk>"}
