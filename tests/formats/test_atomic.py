"""A file is written whole or not at all."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from chainrule.formats import atomic, file_lock
from chainrule.formats.atomic import write_whole
from chainrule.formats.file_lock import claim


def test_new_and_old_files(tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"one")
    assert path.read_bytes() == b"one"
    write_whole(path, b"two!")
    assert path.read_bytes() == b"two!"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


class Full:
    """A file on a disk that fills up half way through."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.bin"
    write_whole(path, b"old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fdopen = os.fdopen
    with monkeypatch.context() as patch:
        if failing == "write":
            patch.setattr(atomic.os, "fdopen", lambda *args: Full(fdopen(*args)))
        else:
            patch.setattr(atomic.os, failing, refuse)
        with pytest.raises(OSError, match="No space"):
            write_whole(path, b"brand new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.bin", b"new")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_permissions_are_those_of_a_normal_file(tmp_path):
    (tmp_path / "normal").write_bytes(b"")
    write_whole(tmp_path / "ours", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("normal", "ours")]
    assert modes[0] == modes[1]


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    path = tmp_path / "run.pt"
    left, other, busy = (tmp_path / n for n in (".run.pt.abcd1234", ".x.pt.abcd1234",
                                                ".run.pt.busy_123"))  # fmt: skip
    for each in (left, other, busy):
        each.write_bytes(b"half")
    held = claim(busy)
    atomic.write_whole(path, b"all")
    assert sorted(p.name for p in tmp_path.iterdir()) == [busy.name, other.name, path.name]
    held.close()
    atomic.remove_abandoned(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_nobody_is_taken_for_dead(tmp_path, monkeypatch, number):
    def no_locks(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_lock, "_lock", no_locks)
    path = tmp_path / "state"
    handle, living, claimed = atomic._neighbour(path)  # of a process in the middle of a write
    assert claimed.hold is file_lock.Hold.UNKNOWN
    atomic.write_whole(path, b"all")
    atomic.remove_abandoned(tmp_path)
    Path(living).replace(path)
    assert path.read_bytes() == b""
    claimed.close()
    os.close(handle)


def test_a_folder_is_searched_once(tmp_path, monkeypatch):
    """Ten thousand checkpoints in a folder do not make the next one dearer."""
    searched, real = [], os.scandir
    monkeypatch.setattr(atomic.os, "scandir", lambda path: searched.append(path) or real(path))
    for number in range(5):
        atomic.write_whole(tmp_path / f"{number}.pt", b"all")
    assert searched == [tmp_path]


def test_a_neighbour_that_is_taken_for_abandoned_is_made_again(tmp_path, monkeypatch):
    real, removed = atomic.claim, []

    def too_late(path, **options):
        if not removed:
            removed.append(path)
            Path(path).unlink()
        return real(path, **options)

    monkeypatch.setattr(atomic, "claim", too_late)
    atomic.write_whole(tmp_path / "a", b"all")
    assert (tmp_path / "a").read_bytes() == b"all"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
