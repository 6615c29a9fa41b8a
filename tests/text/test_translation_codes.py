"""Texts of two languages as codes, saved and read again."""

import numpy as np
import pytest

from chainrule.errors import DataError
from chainrule.text.pairs import Pair
from chainrule.text.translation_codes import TranslationCodes

PAIRS = [Pair("x = 1", "Assign/2 x 1"), Pair("y = x", "Assign/2 y x"), Pair("del y", "Delete/1 y")]


def test_a_text_of_rare_words_comes_back():
    codes = TranslationCodes.of(PAIRS, "code", "spaces")
    source, rare = codes.encode("del total")
    assert rare == ["total"]
    assert codes.decode(codes.encode_target("Delete/1 total", rare), rare) == "Delete/1 total"
    assert len(source) == 2


def test_saved_codes_are_the_same():
    codes = TranslationCodes.of(PAIRS, "code", "spaces", copies=2)
    again = TranslationCodes.from_json(codes.to_json())
    assert again == codes
    for text in ("x = y", "del a"):
        np.testing.assert_array_equal(again.encode(text)[0], codes.encode(text)[0])


def test_subwords_write_words_that_were_never_seen():
    pytest.importorskip("tokenizers")
    pairs = [Pair("low lower", "bas plus bas"), Pair("slow", "lent")]
    codes = TranslationCodes.of(pairs, "subwords", "subwords", most=300, copies=0)
    again = TranslationCodes.from_json(codes.to_json())
    for text in ("lower", "plus lent", "bas"):
        _, rare = again.encode(text)
        assert again.decode(again.encode_target(text, rare), rare) == text


def test_the_ends_of_the_bounds():
    codes = TranslationCodes.of(PAIRS, "code", "spaces", copies=0, most=1)
    assert codes.words.vocabulary.tokens == ("<pad>", "<unk>", "<s>", "</s>", "=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        TranslationCodes.of(PAIRS, "code", "spaces").to_json().replace('"code"', '"syllables"'),
        TranslationCodes.of(PAIRS, "code", "spaces").to_json().replace("tokens", "t", 1),
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(DataError, match=r"not saved codes of a translation|not a saved vocabulary"):
        TranslationCodes.from_json(text)
