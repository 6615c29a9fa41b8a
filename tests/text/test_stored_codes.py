"""Codes that are kept in a file."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError, KindError
from chainrule.base.settings import reload_settings
from chainrule.text.batches import RandomWindows, consecutive_batches
from chainrule.text.characters import Characters
from chainrule.text.corpus import text_parts
from chainrule.text.stored_codes import StoredCodes

MIB = 2**20


def ab(part):
    return np.array([ord(letter) - ord("a") for letter in part], np.int64)


def whole(codes):
    return np.concatenate([np.zeros(0, int), *codes.parts()]).tolist()


@pytest.mark.parametrize(("count", "size"), [(2, 1), (256, 1), (257, 2), (2**16 + 1, 4)])
def test_codes_are_those_of_the_parts_in_few_bytes(count, size):
    codes = StoredCodes(["ab", "", "baa"], ab, count)
    assert len(codes) == 5
    assert whole(codes) == [0, 1, 1, 0, 0]
    assert next(codes.parts()).itemsize == size
    assert codes.windows(np.array([2, 0]), 3).tolist() == [[1, 0, 0], [0, 1, 1]]


@given(st.slices(9), st.slices(9))
def test_slices_are_those_of_an_array(one, two):
    codes, text = StoredCodes(["abcd", "efghi"], ab, 9), "abcdefghi"
    for cut in (one, two):
        if cut.step not in {None, 1}:
            with pytest.raises(KindError, match="slices"):
                codes[cut]
            return
        codes, text = codes[cut], text[cut]
        assert (len(codes), whole(codes)) == (len(text), ab(text).tolist())


def test_windows_lie_within_the_slice():
    codes = StoredCodes(["abcdef"], ab, 6)[1:4]
    for start in (-1, 2):
        with pytest.raises(IndexError, match=f"codes {start} … {start + 2} of 3"):
            codes.windows(np.array([start]), 2)


def test_no_codes():
    codes = StoredCodes([], ab, 0)
    assert len(codes) == 0
    assert whole(codes) == []


def test_windows_of_stored_codes_are_those_of_codes_in_memory():
    text = "the quick brown fox\n" * 20
    letters = Characters.of(text)
    codes = letters.encode(text)
    stored = StoredCodes([text[:99], text[99:]], letters.encode, len(letters))
    for one, other in zip(
        RandomWindows(codes, 8, 4, seed=0).draw(),
        RandomWindows(stored, 8, 4, seed=0).draw(),
        strict=True,
    ):
        assert one.dtype == other.dtype == np.int64
        assert np.array_equal(one, other)
    for batch in zip(
        consecutive_batches(codes, 8, 4), consecutive_batches(stored, 8, 4), strict=True
    ):
        for one, other in zip(*batch, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)


def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "cache"))
    reload_settings()
    try:
        codes = StoredCodes(["ab"], ab, 2)
        assert len(codes) == 2
        assert not list((tmp_path / "cache").iterdir())
    finally:
        monkeypatch.undo()
        reload_settings()


def test_a_full_disk_says_what_to_do():
    def full(_part):
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"No space left on device; name a .* CHAINRULE_"):
        StoredCodes(["a"], full, 2)


PROGRAM = """
import sys
from chainrule.text.batches import RandomWindows
from chainrule.text.characters import Characters
from chainrule.text.corpus import text_parts
from chainrule.text.stored_codes import StoredCodes

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM"))

before, path = peak(), sys.argv[1]
letters = Characters.of(text_parts(path))
codes = StoredCodes(text_parts(path), letters.encode, len(letters))
windows = RandomWindows(codes, 64, 12, seed=0)
for _ in range(500):
    windows.draw()
print(len(codes), peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_long_text_needs_little_memory(tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes(b"a line of a long text\n" * (32 * MIB // 22))
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True
    )
    length, grown = map(int, run.stdout.split())
    assert length == path.stat().st_size == sum(map(len, text_parts(path)))
    assert grown < 24  # MiB: the text alone has 32, and its codes in memory would have 256
