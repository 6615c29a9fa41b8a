"""Run folders: numbers, names, and refusals."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chainrule.base.errors import CheckpointError
from chainrule.train import runs
from chainrule.train.runs import create_run, find_run, mark_last, saving


def finished(root):
    folder = create_run(root)
    (folder / runs.CONFIG).write_text("", encoding="utf-8")
    return folder


def test_numbers_go_up(tmp_path):
    root = tmp_path / "a" / "runs"
    assert [create_run(root).name for _ in range(3)] == ["001", "002", "003"]
    (root / "002").rmdir()
    (root / "041").mkdir()
    (root / "notes").mkdir()
    assert create_run(root).name == "042"


def test_many_at_once_get_a_folder_each(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_run(tmp_path), range(40)))
    assert len(set(folders)) == 40


def test_names_of_runs(tmp_path):
    first, second = finished(tmp_path), finished(tmp_path)
    mark_last(first)
    mark_last(second)
    for name in ("2", "002", "last", str(second), str(tmp_path / "last")):
        assert find_run(name, tmp_path).resolve() == second.resolve()
    assert find_run("1", tmp_path) == first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["001", "002", "last"]


def test_last_is_a_text_file_where_links_are_not_allowed(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    folder = finished(tmp_path)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    mark_last(folder)
    assert (tmp_path / "last").read_text(encoding="utf-8") == "001"
    assert find_run("last", tmp_path) == folder
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["001", "last"]


@pytest.mark.parametrize("name", ["last", "7", "007", "nowhere", "."])
def test_runs_that_are_not_there(tmp_path, name):
    with pytest.raises(CheckpointError, match=f"there is no run '{name}'.*has no runs"):
        find_run(name, tmp_path)
    finished(tmp_path)
    with pytest.raises(CheckpointError, match="has 001"):
        find_run(name, tmp_path)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_refusals_are_one_sentence(tmp_path, code, reason):
    with pytest.raises(CheckpointError) as caught, saving(tmp_path / "x"):
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == f"cannot write {str(tmp_path / 'x')!r}: {reason}"


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot write"):
        create_run(tmp_path / "runs")
