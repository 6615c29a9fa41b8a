"""Pronouncing dictionaries in the format of CMU's."""

import pytest

from chainrule.errors import DataError
from chainrule.text.pronunciations import (
    are_phonemes,
    is_pronouncing_dictionary,
    parse_pronunciations,
)

OLD = """;;; # CMUdict  --  Major Version: 0.07
!EXCLAMATION-POINT  EH2 K S K L AH0 M EY1 SH AH0 N P OY2 N T
'BOUT  B AW1 T
TOMATO  T AH0 M EY1 T OW2
TOMATO(1)  T AH0 M AA1 T OW2
"""
NEW = """'bout B AW1 T
d'artagnan D AH0 R T AE1 NG Y AH0 N # foreign french
read R EH1 D
read(2) R IY1 D
record R AH0 K AO1 R D
record(2) R EH1 K ER0 D
record(3) R AH0 K AO2 R D
"""


def test_the_older_format():
    pairs = parse_pronunciations(OLD, "cmudict-0.7b")
    assert pairs.sources == ["!exclamation-point", "'bout", "tomato", "tomato"]
    assert pairs.targets[1:] == ["B AW T", "T AH M EY T OW", "T AH M AA T OW"]
    assert pairs.places[-1] == "cmudict-0.7b:5"


def test_the_newer_format():
    pairs = parse_pronunciations(NEW, "cmudict.dict")
    assert pairs.targets[:2] == ["B AW T", "D AH R T AE NG Y AH N"]
    said = "cmudict.dict: pronouncing dictionary, 4 words, 6 pronunciations without stress"
    assert pairs.said == said  # two of `record` are equal without stress


def test_stress_can_be_kept():
    pairs = parse_pronunciations(NEW, "cmudict.dict", stress=True)
    assert pairs.targets[-1] == "R AH0 K AO2 R D"
    assert len(pairs) == 7


@pytest.mark.parametrize("text", [OLD, NEW])
def test_the_format_is_recognised(text):
    assert is_pronouncing_dictionary(text)


@pytest.mark.parametrize(
    "text", ["", ";;; nothing\n", "go\tva\n", "I AM\nyou are\n", "source,target\na,b\n"]
)
def test_other_files_are_not_taken_for_dictionaries(text):
    assert not is_pronouncing_dictionary(text)


def test_phonemes_are_told_from_words():
    assert are_phonemes(["T AH0 M EY1 T OW2", "R EH D"])
    assert not are_phonemes(["Tomato"])
    assert not are_phonemes([])


def test_a_line_that_is_no_entry_is_told_with_its_place():
    with pytest.raises(DataError, match=r"words\.dict:3.*'tomato' is not a word and its phonemes"):
        parse_pronunciations("read R EH1 D\n\ntomato\n", "words.dict")


def test_a_file_of_comments_holds_nothing():
    with pytest.raises(DataError, match=r"empty\.dict holds no pronunciations"):
        parse_pronunciations(";;; nothing\n", "empty.dict")
