"""What a tagger sees of a word."""

import numpy as np
import pytest

from chainrule.base.errors import DataError
from chainrule.text.word_features import AFFIXES, WordFeatures, affixes_of, shape_of


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("cat", "xx"),
        ("Cat", "Xxx"),
        ("USA", "XX"),
        ("iPhone6s", "xXxxdx"),
        ("10,000", "dd,dd"),
        ("...", ".."),
        ("größe_2", "xx_d"),
        ("文字", "xx"),
        ("aAaAaAaAaAaA", "xXxXxXxXxX"),
        ("", ""),
    ],
)
def test_shapes(word, shape):
    assert shape_of(word) == shape


@pytest.mark.parametrize("word", ["", "a", "Ab", "Unhappily", "İstanbul"])
def test_every_word_has_as_many_affixes(word):
    assert len(affixes_of(word)) == AFFIXES


def test_affixes_of_short_words_are_the_word():
    assert affixes_of("a") == ["a-", "a-", "a-", "-a", "-a", "-a", "-a", "=x"]


def features():
    return WordFeatures.of([["The", "cats", "the"], ["the", "cats", "meow"]])


def test_words_are_known_without_case_if_they_occur_often_enough():
    known = features()
    assert known.words.tokens[2:] == ("the", "cats")
    the, shouted, rare, new = known.encode(["the", "THE", "meow", "bats"])
    assert the[0] == shouted[0] == known.words.code("the")
    assert rare[0] == new[0] == known.words.unknown_code


def test_unknown_words_have_their_affixes():
    known = WordFeatures.of([["walks", "talks", "likes"]])
    (code,) = known.encode(["Jumps"])
    assert known.affixes.decode(code[1:])[3] == "-s"
    assert known.affixes.decode(code[1:])[0] == known.affixes.unknown


def test_codes_are_of_words_by_features():
    codes = features().encode(["the", "cats", "<pad>"])
    assert codes.shape == (3, 1 + AFFIXES)
    assert codes.dtype == np.int64
    assert (codes > 0).all()  # 0 is padding alone
    assert features().encode([]).shape == (0, 1 + AFFIXES)


def test_features_are_saved_as_text():
    known = features()
    assert WordFeatures.from_json(known.to_json()) == known
    for text in ("", "[]", '["{}", "{}"]'):
        with pytest.raises(DataError, match="is not"):
            WordFeatures.from_json(text)
