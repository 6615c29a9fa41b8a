"""Files of words and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError
from chainrule.text.tagged import Tagged, parse_tagged, read_tagged

NAMES = """\
-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
"""
WORD = st.text(st.characters(categories=["L", "P"]), min_size=1, max_size=5)
SENTENCE = st.lists(st.tuples(WORD, WORD), min_size=1, max_size=5)


def test_the_first_column_is_the_word_and_the_last_the_tag():
    expected = [Tagged(("EU", "rejects"), ("B-ORG", "O")), Tagged(("Peter",), ("B-PER",))]
    assert parse_tagged(NAMES) == expected


@given(st.lists(SENTENCE, min_size=1, max_size=4), st.sampled_from("\t "))
def test_what_is_written_is_read(sentences, separator):
    text = "\n".join("".join(f"{w}{separator}{t}\n" for w, t in one) for one in sentences)
    assert [list(zip(s.words, s.tags, strict=True)) for s in parse_tagged(text)] == sentences


def test_words_may_hold_spaces_where_tabs_separate():
    assert parse_tagged("New York\tCITY\n#\tSIGN") == [Tagged(("New York", "#"), ("CITY", "SIGN"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tX\nb\n", r"f:2:2: one column only"),
        ("a X\nb Y Z\n", r"f:2:1: 3 columns, but the lines before have 2"),
        ("a\tX\n\tY\n", r"f:2:1: the word is missing"),
        ("a\tX\nbc\t\n", r"f:2:4: the tag is missing"),
    ],
)
def test_a_broken_file_is_refused_at_its_place(text, message):
    with pytest.raises(DataError, match=message):
        parse_tagged(text, "f")


def test_a_file_says_what_was_found(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text(NAMES)
    sentences, said = read_tagged(path)
    assert sentences == parse_tagged(NAMES)
    assert said.endswith("names.txt: 2 sentences, 4 columns; word first, tag last")


@pytest.mark.parametrize("name", ["a.conllu", "a.txt"])
def test_conllu_is_recognised(tmp_path, name):
    path = tmp_path / name
    path.write_text("# text = hi\n1\thi\t_\tINTJ\tUH\t_\t0\troot\t_\t_\n")
    assert read_tagged(path)[0] == [Tagged(("hi",), ("INTJ",))]
    sentences, said = read_tagged(path, column="xpos")
    assert sentences == [Tagged(("hi",), ("UH",))]
    assert said.endswith("CoNLL-U, 1 sentence; tags are XPOS")


def test_a_file_of_document_marks_only(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("-DOCSTART- O\n")
    with pytest.raises(DataError, match="no sentence"):
        read_tagged(path)
