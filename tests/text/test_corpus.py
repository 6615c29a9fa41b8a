"""Reading text files: every kind of bad file has its sentence."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError
from chainrule.text.corpus import (
    fault,
    held_out_length,
    read_text,
    require_length,
    text_files,
    text_parts,
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("żółć ✓ 🐍".encode(), "żółć ✓ 🐍"),
    ],
)
def test_text_is_read(tmp_path, data, text):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    assert read_text(path) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"text\0text", "NUL"),
        (b"\x89PNG\r\n\x1a\n", r"byte 0 \(line 1, column 1\) is 0x89"),
        ("é\nñgrüße".encode() + b"\xfc", r"byte 12 \(line 2, column 7\) is 0xfc"),
        ("text".encode("utf-16"), "not a text file|not UTF-8"),
    ],
)
def test_a_file_that_is_no_text(tmp_path, data, reason):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason) as caught:
        read_text(path)
    assert "a.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\r\ntwo")))
    assert read_text("-") == "one\ntwo"


def test_a_fault_names_file_line_and_column():
    assert str(fault("a.txt", 3, 14, "no word")).endswith("a.txt:3:14: no word")


PIECES = st.lists(st.sampled_from(["a", "é", "🐍", "\n", "\r", "\r\n", " ", "\ufeff"]))


@given(PIECES, st.integers(1, 9))
def test_the_parts_of_a_file_are_its_text(tmp_path_factory, pieces, size):
    path = tmp_path_factory.mktemp("parts") / "a.txt"
    path.write_bytes(("x" + "".join(pieces)).encode())
    assert "".join(text_parts(path, size)) == read_text(path)


def test_parts_end_with_a_line_where_there_is_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\nthree")
    assert list(text_parts(path, 6)) == ["one\n", "two\n", "three"]


def test_files_are_joined_with_a_line_feed_unless_there_is_one(tmp_path):
    for name, text in (("a", "one"), ("b", "two\n"), ("c", "three")):
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in "abc"]
    assert "".join(text_parts(files)) == "one\ntwo\nthree"


def test_a_folder_stands_for_the_files_below_it(tmp_path):
    for name in ("b.txt", "a/c.txt", ".hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert text_files(tmp_path) == [tmp_path / "a" / "c.txt", tmp_path / "b.txt"]
    assert text_files([tmp_path / "a", "-"]) == [tmp_path / "a" / "c.txt", Path("-")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty' holds no files"):
        text_files(tmp_path / "empty")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n" * 9, "is empty"),
        (b"one\n" * 9 + b"\0", "NUL"),
        (b"one\n" * 9 + b"two\xfc", r"byte 39 \(line 10, column 4\) is 0xfc"),
        (b"one\n" * 9 + b"\xc3", r"byte 36 \(line 10, column 1\) is 0xc3"),
    ],
)
def test_a_part_that_is_no_text(tmp_path, data, reason):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"a\.txt' .*{reason}"):
        list(text_parts(path, 8))
    with pytest.raises(DataError, match="there is no file"):
        list(text_parts(tmp_path / "nowhere.txt"))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_text(tmp_path / "nowhere.txt")


def test_a_folder(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read_text(tmp_path)


def test_an_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("secret", encoding="utf-8")

    def refuse(*_):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        read_text(path)


def test_an_impossible_name():
    with pytest.raises(DataError):
        read_text("a\0b")


@given(st.integers(0, 5000))
def test_the_last_tenth_is_held_out(count):
    assert abs(held_out_length(count) - count / 10) <= 0.5
    assert held_out_length(10**7 + count) == 1_000_000


@given(st.integers(1, 200))
def test_the_length_that_is_asked_for_suffices(context):
    enough = 10 * (context + 1)

    def parts(length):
        cut = length - held_out_length(length)
        return range(cut), range(length - cut)

    require_length(*parts(enough), context, "text")
    with pytest.raises(DataError, match=f"at least {enough}") as caught:
        require_length(*parts(5 * context), context, "'a.txt'")
    assert "'a.txt' is too short" in str(caught.value)


def test_a_byte_that_is_not_utf8_has_its_place_also_after_a_byte_order_mark(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfa \xe2\x80\x93\nbc\xff")
    with pytest.raises(DataError, match=r"byte 11 \(line 2, column 3\) is 0xff"):
        read_text(path)
