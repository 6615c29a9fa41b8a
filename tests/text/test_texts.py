"""Texts that are read more than once."""

import io
import sys

import numpy as np
import pytest

from chainrule.base.errors import DataError
from chainrule.text.batches import windows_at
from chainrule.text.characters import Characters
from chainrule.text.stored_codes import StoredCodes
from chainrule.text.texts import Texts


@pytest.mark.parametrize("large", [7, 8])
def test_large_and_small_texts_have_the_same_codes(tmp_path, large):
    (tmp_path / "a.txt").write_text("a cab")
    (tmp_path / "b.txt").write_text("bad")
    texts = Texts([tmp_path / "a.txt", tmp_path / "b.txt"], large)
    letters = Characters.of(texts)
    codes = texts.codes(letters.encode, len(letters))
    assert texts.stored == isinstance(codes, StoredCodes) == (large < 8)
    assert letters.decode(windows_at(codes, np.array([0]), len(codes))[0]) == "a cab\nbad"
    assert "".join(texts) == "".join(texts)


@pytest.mark.parametrize("large", [7, 10**9])
def test_the_end_is_held_out(tmp_path, large):
    (tmp_path / "a.txt").write_text("żółć\n" * 20)
    (tmp_path / "b.txt").write_text("0123456789" * 9 + "abc")
    texts = Texts(tmp_path, large)
    learnt, held_out = texts.split()
    assert "".join(learnt) + "".join(held_out) == "".join(texts)
    assert "".join(held_out) == "4567890123456789abc"
    letters = Characters.of(texts)
    assert len(held_out.codes(letters.encode, len(letters))) == 19
    nearer, last = learnt.split()
    assert "".join(nearer) + "".join(last) == "".join(learnt)
    assert len("".join(last)) == 17


def test_standard_input_is_read_once_and_held(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one two")))
    texts = Texts("-", large=0)
    assert ["".join(texts), "".join(texts)] == ["one two"] * 2


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        Texts(tmp_path / "nowhere.txt")
