"""Characters, words and subwords as the tokens of a language model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import CheckpointError, ConfigError, DataError
from chainrule.text.tokens import assets_of, pieces_of, tokens_from, tokens_of

TEXT = "The cat – naïve, isn't it? – sat.\nThe dog sat 😀, too.\n" * 3
KINDS = ["chars", "words", "bpe"]


@pytest.fixture(params=KINDS)
def tokens(request):
    if request.param == "bpe":
        pytest.importorskip("tokenizers", reason="tokenizers is an extra, and not installed")
    return tokens_of(request.param, [TEXT], 300)


def test_their_vocabulary_is_kept(tokens):
    again = tokens_from(assets_of(tokens))
    assert len(again) == len(tokens)
    assert again.encode(TEXT).tolist() == tokens.encode(TEXT).tolist()
    assert 0 <= tokens.encode(TEXT).min() <= tokens.encode(TEXT).max() < len(tokens)


def test_they_know_where_each_ends(tokens):
    ends = tokens.ends(TEXT)
    assert len(ends) == len(tokens.encode(TEXT))
    assert (np.diff(ends) >= 0).all()
    assert ends[-1] == len(TEXT)
    assert tokens.ends("").tolist() == []


def test_words_end_without_the_blanks_that_follow():
    assert tokens_of("words", [TEXT], 9).ends("  to  be,\n or ").tolist() == [4, 8, 9, 10, 13]


@given(cut=st.integers(1, 60))
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_the_text(kind, cut):
    if kind == "bpe":
        pytest.importorskip("tokenizers", reason="tokenizers is an extra, and not installed")
    tokens = tokens_of(kind, [TEXT], 260)
    codes = tokens.encode(TEXT).tolist()
    cut = min(cut, len(codes) - 1)
    pieces = list(pieces_of(tokens, codes[:cut], codes[cut:]))
    whole = tokens.decode(codes)
    said = tokens.decode(codes[:cut])
    if not said.endswith("\ufffd"):  # the prompt ends within a character
        assert said + "".join(pieces) == whole


def test_a_tokenizer_of_others_is_read(tmp_path):
    pytest.importorskip("tokenizers", reason="tokenizers is an extra, and not installed")
    made = tokens_of("bpe", [TEXT], 280)
    path = tmp_path / "tokenizer.json"
    path.write_text(assets_of(made)["tokenizer.json"], encoding="utf-8")
    assert tokens_of(str(path), [], 1).encode("sat").tolist() == made.encode("sat").tolist()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be used"):
        tokens_of(str(path), [], 1)


def test_what_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"chars, words, bpe or the file of a tokenizer\.json"):
        tokens_of("letters", [TEXT], 9)
    with pytest.raises(CheckpointError, match="does not hold"):
        tokens_from({"symbols": "ba"})
    with pytest.raises(CheckpointError, match="does not hold the model's tokens"):
        tokens_from({"words.json": "{}"})


def test_a_damaged_tokenizer_is_refused():
    pytest.importorskip("tokenizers", reason="tokenizers is an extra, and not installed")
    with pytest.raises(CheckpointError, match="does not hold the model's tokens"):
        tokens_from({"tokenizer.json": "{}"})
