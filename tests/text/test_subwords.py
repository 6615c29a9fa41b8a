"""Subwords: trained here, saved in the format of others, and theirs loaded."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError, DataError, MissingImportError
from chainrule.text.subwords import Subwords

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LINES = ["the lower of the two", "slow and slower", "the slowest of them", "naïve 日本"] * 5


@pytest.fixture(scope="module")
def subwords():
    pytest.importorskip("tokenizers", reason="the extra `text` is not installed")
    return Subwords.train(LINES, size=300, special=["<pad>", "<end>"])


@given(TEXTS)
def test_no_text_is_lost(subwords, text):
    codes = subwords.encode(text)
    assert subwords.decode(codes) == text
    assert len(subwords.spans(text)) == len(codes)


@given(TEXTS)
def test_spans_cover_the_text(subwords, text):
    end = 0
    for start, stop in subwords.spans(text):
        assert start <= end <= stop
        end = stop
    assert end == len(text)


def test_frequent_words_are_whole(subwords):
    assert subwords.pieces("the slow") == ["the", " slow"]
    assert len(subwords) <= 300
    assert len(subwords.encode("the slow")) == 2


def test_special_pieces_are_first_and_plain_text_in_texts(subwords):
    assert (subwords.code("<pad>"), subwords.code("<end>")) == (0, 1)
    codes = subwords.encode("a<end>")
    assert 1 not in codes
    assert subwords.decode([*codes, 1]) == "a<end>"
    with pytest.raises(ArgumentError, match="no piece '<begin>' among the"):
        subwords.code("<begin>")


def test_training_again_gives_the_same(subwords):
    again = Subwords.train(LINES, size=300, special=["<pad>", "<end>"])
    assert again.to_json() == subwords.to_json()


def test_saved_and_loaded(subwords, tmp_path):
    from tokenizers import Tokenizer

    path = tmp_path / "tokenizer.json"
    path.write_text(subwords.to_json(), encoding="utf-8")
    text = "slower, naïve"
    for loaded in (Subwords.load(path), Subwords.from_json(subwords.to_json())):
        assert loaded.encode(text).tolist() == subwords.encode(text).tolist()
    assert Tokenizer.from_file(str(path)).encode(text).ids == subwords.encode(text).tolist()


def test_a_tokenizer_of_others_is_loaded():
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0, "low": 1, "##er": 2}))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    theirs.decoder = tokenizers.decoders.WordPiece()
    loaded = Subwords(theirs)
    assert loaded.encode("lower x").tolist() == [1, 2, 0]
    assert loaded.spans("lower x") == [(0, 3), (3, 5), (6, 7)]
    assert loaded.decode([1, 2]) == "lower"


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"version": "1.0"})])
def test_other_files_are_refused(tmp_path, text):
    pytest.importorskip("tokenizers")
    with pytest.raises(DataError, match=r"not a tokenizer\.json"):
        Subwords.from_json(text)
    path = tmp_path / "a.json"
    path.write_text(text or "x")
    with pytest.raises(DataError, match=r"a\.json' cannot be used: the text is not"):
        Subwords.load(path)


def test_wrong_arguments(subwords):
    with pytest.raises(ArgumentError, match="size must be at least 258"):
        Subwords.train(LINES, size=257, special=["<pad>", "<end>"])
    for code in (-1, len(subwords)):
        with pytest.raises(DataError, match="0 … "):
            subwords.decode([code])


def test_without_the_library_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingImportError, match=r"pip install 'chainrule\[text\]'"):
        Subwords.train(LINES)
